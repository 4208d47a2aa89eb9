use serde_json::json;

use super::*;

fn matches(expression: &str, body: Value) -> bool {
    Query::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}")).matches(&Decoded::Json(body))
}

fn refused(expression: &str) -> String {
    Query::parse(expression).expect_err("refused").to_string()
}

#[test]
fn what_is_true_or_something_passes() {
    let body = || json!({ "task_id": 7, "title": "Sweep the floor", "tags": ["a", "b"], "none": [], "off": false });
    for passes in [
        "task_id == `7`",
        "task_id > `6` && task_id <= `7`",
        "contains(title, 'Sweep')",
        "title == 'Sweep the floor'",
        "tags[?@ == 'b']",
        "title",
        "!none",
        "off == `false`",
        "length(tags) == `2`",
        "@.\"task_id\"",
        "\"task_id\" == `7`",
        "type(title) == 'string'",
        "not_null(missing, title)",
        "sort_by(tags, &@)[0] == 'a'",
        "tags[-1] == 'b'",
        "tags[::-1] | [0] == 'b'",
    ] {
        assert!(matches(passes, body()), "{passes}");
    }
    for not in ["task_id == `8`", "missing", "none", "off", "tags[?@ == 'c']", "starts_with(missing, 'x')"] {
        assert!(!matches(not, body()), "{not}");
    }
}

#[test]
fn text_is_a_string_and_bytes_are_nothing() {
    let query = Query::parse("contains(@, 'cut')").expect("good");
    assert!(query.matches(&Decoded::Text("cut off".to_owned())));
    assert!(!query.matches(&Decoded::Text("whole".to_owned())));
    let all = Query::parse("`true`").expect("good");
    assert!(all.matches(&Decoded::Text(String::new())));
    assert!(!all.matches(&Decoded::Bytes(vec![1])));
}

#[test]
fn each_slip_is_told_with_its_place_and_what_may_help() {
    for (expression, message) in [
        ("task_id == 7", "at character 12 (7): numbers are written in backquotes, as in task_id > `7`"),
        ("task_id == -7", "at character 12 (-7): numbers are written in backquotes, as in task_id > `7`"),
        ("task_id = `7`", "at character 9 (= `7`): equality is written =="),
        ("a == 'x' and b", "at character 10 (and b): «and» is written &&"),
        ("a == 'x' or b", "at character 10 (or b): «or» is written ||"),
        ("a == 'x", "at character 6 ('x): this quote is never closed"),
        ("a == `x`", "at character 6 (`x`): backquotes hold JSON"),
        ("a ==", "at character 5 (the end): more is expected here"),
        ("contains(title, 'x'", "at character 20 (the end): more is expected here"),
        ("a b", "at character 3 (b): an operator is expected here"),
        ("a == ]", "at character 6 (]): the name of a member or a value is expected here"),
        ("a == %", "at character 6 (%): invalid character: %"),
        (
            r#"title == "Sweep""#,
            r#"at character 10 ("Sweep"): text is written in single quotes: 'Sweep'; if the member of that name is meant: @."Sweep""#,
        ),
        (r#"contains(title, "é")"#, r#"at character 17 ("é")): text is written in single quotes: 'é'"#),
        ("off == false", "at character 8 (false): this names a member; the value is written in backquotes: `false`"),
        ("contain(title, 'x')", "at character 1 (contain(title, 'x')): there is no function contain; there are abs, "),
        ("'é' == a && nope(b)", "at character 13 (nope(b)): there is no function nope"),
        ("contains(title)", "at character 1 (contains(title)): contains takes 2 arguments, not 1"),
        ("a && length(b, c)", "at character 6 (length(b, c)): length takes 1 arguments, not 2"),
        ("a[::2147483647]", "no list is that long"),
        ("", "it is empty"),
        ("  \n", "it is empty"),
    ] {
        let said = refused(expression);
        assert!(said.starts_with("read the JMESPath expression"), "{said}");
        assert!(said.contains(message), "{expression}: {said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

#[test]
fn a_wrong_expression_cannot_move_the_cursor() {
    for expression in ["a == \u{1b}[2J", "\"\u{1b}[2J\" &", "a == \"\\u001b[2J\"", "'\u{1b}"] {
        assert!(!refused(expression).contains('\u{1b}'), "{expression:?}");
    }
    assert!(refused(&format!("a == %{}", "x".repeat(5_000))).chars().count() < 400);
}

#[test]
fn the_deepest_that_is_taken_fits_on_a_small_stack() {
    let most = MAX_QUERY_OPERATORS;
    let deepest = [
        format!("{}a", "!".repeat(most)),
        format!("{}a{}", "(".repeat(most), ")".repeat(most)),
        format!("{}a{}", "[".repeat(most), "]".repeat(most)),
        format!("a{}", ".a".repeat(most)),
        format!("a{}", "[0]".repeat(most)),
        format!("a{}", "[]".repeat(most / 2)),
        format!("{}a{}", "{a:".repeat(most), "}".repeat(most)),
        format!("a{}", "|a".repeat(most)),
        format!("a{}", "||a".repeat(most)),
        format!("a{}{}", "[?a".repeat(most), "]".repeat(most)),
        format!("{}a", "& ".repeat(most)),
        format!("{}a{}", "type(".repeat(most), ")".repeat(most)),
        format!("a{}", "==a".repeat(most)),
        format!("*{}", ".*".repeat(most / 2 - 1)),
    ];
    let work = move || {
        for expression in deepest {
            let query = Query::parse(&expression).unwrap_or_else(|error| panic!("{error}"));
            let _found = query.matches(&Decoded::Json(json!({ "a": { "a": [[["a"]]] } })));
        }
    };
    // What a thread of an async runtime has.
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(work).expect("a thread");
    thread.join().expect("no panic");
}

#[test]
fn what_is_deeper_or_longer_is_refused_before_it_is_parsed() {
    for open in ["!", "(", "[", "{a:", "a.", "a[?", "&", "a||", "a|", "type("] {
        let said = refused(&open.repeat(1_000));
        assert!(said.contains("operators and brackets"), "{open}: {said}");
    }
    assert!(refused(&"a.".repeat(100_000)).contains("200000 bytes"));
    assert!(refused(&format!("`{}`", "[".repeat(5_000))).contains("backquotes hold JSON"));
}

#[test]
fn a_query_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&Query::parse("a").expect("good"));
}
