//! `GET /tasks`

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use serde_json::{Value, json};
use taskwatch_http_intake::Options;

use crate::support::{Answer, Api};

fn ids(answer: &Answer) -> Vec<i64> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json().as_array().unwrap().iter().map(|task| task["id"].as_i64().unwrap()).collect()
}

/// What `Link` leads to, as a browser would resolve it.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let query = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    Some(format!("/tasks{query}"))
}

#[tokio::test]
async fn all_tasks_are_listed_by_id_in_the_shape_of_the_python_system() {
    let api = Api::new();
    assert_eq!(api.get("/tasks").await.json(), json!([]));
    for n in 1..=1200 {
        api.store.rows.foreign_insert(&format!("task {n}"), "Pending");
    }
    api.store.rows.foreign_insert("by hand", "on hold");
    let answer = api.get("/tasks").await;
    assert_eq!(ids(&answer), (1..=1201).collect::<Vec<_>>());
    assert_eq!(next(&answer), None);
    let last = answer.json()[1200].clone();
    assert_eq!(last, json!({ "id": 1201, "title": "by hand", "description": null, "status": "on hold" }));
}

#[tokio::test]
async fn pages_lead_to_older_tasks_until_there_are_none() {
    let api = Api::new();
    for n in 1..=7 {
        api.add(&format!("task {n}")).await;
    }
    let mut path = Some("/tasks?limit=3".to_owned());
    let mut pages = Vec::new();
    while let Some(page) = path {
        let answer = api.get(&page).await;
        pages.push(ids(&answer));
        path = next(&answer);
    }
    assert_eq!(pages, [vec![5, 6, 7], vec![2, 3, 4], vec![1]]);
    assert_eq!(ids(&api.get("/tasks?before=3").await), [1, 2]);
    // Full to the last place is not the same as more to come.
    let whole = api.get("/tasks?limit=7").await;
    assert_eq!((ids(&whole).len(), next(&whole)), (7, None));
}

#[tokio::test]
async fn more_than_one_answer_holds_is_not_lost_without_a_word() {
    let api = Api::with(Options { page_limit: 600, ..Options::default() }, None);
    for n in 1..=1300 {
        api.store.rows.foreign_insert(&format!("task {n}"), "Pending");
    }
    let first = api.get("/tasks").await;
    assert_eq!(ids(&first), (701..=1300).collect::<Vec<_>>());
    let second = api.get(&next(&first).unwrap()).await;
    assert_eq!(ids(&second), (101..=700).collect::<Vec<_>>());
    let third = api.get(&next(&second).unwrap()).await;
    assert_eq!((ids(&third), next(&third)), ((1..=100).collect(), None));
    assert!(api.get("/tasks?limit=601").await.problem(400).contains("from 1 to 600"));
}

#[tokio::test]
async fn a_page_ends_before_it_gets_too_long_to_be_answered() {
    let api = Api::new();
    for _ in 0..100 {
        let body = json!({ "title": "long", "description": "x".repeat(65_000) });
        assert_eq!(api.post("/tasks", body).await.status, 200);
    }
    let (mut path, mut seen) = (Some("/tasks".to_owned()), Vec::new());
    while let Some(page) = path {
        let answer = api.get(&page).await;
        assert!(answer.body.len() <= 4 * 1024 * 1024, "{}", answer.body.len());
        seen.splice(0..0, ids(&answer));
        path = next(&answer);
    }
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn statuses_are_told_apart() {
    let api = Api::new();
    for (title, status) in
        [("a", "Pending"), ("b", "In Progress"), ("c", "Pending"), ("d", "Failed"), ("e", "Completed")]
    {
        api.store.rows.foreign_insert(title, status);
    }
    assert_eq!(ids(&api.get("/tasks?status=Pending").await), [1, 3]);
    assert_eq!(ids(&api.get("/tasks?status=In+Progress&status=Failed").await), [2, 4]);
    assert_eq!(ids(&api.get("/tasks?status=In%20Progress").await), [2]);
    let first = api.get("/tasks?limit=1&status=In+Progress&status=Failed").await;
    assert_eq!(ids(&first), [4]);
    assert_eq!(ids(&api.get(&next(&first).unwrap()).await), [2]);
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused_by_name() {
    let api = Api::new();
    for (query, said) in [
        ("status=pending", "expected Pending"),
        ("status=", "status"),
        ("limit=0", "limit"),
        ("limit=10001", "from 1 to 10000"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "once"),
        ("before=0", "before"),
        ("before=-7", "before"),
        ("before=9223372036854775808", "before"),
        ("before=%FF", "before"),
        ("befor=7", "befor"),
        ("=", "no parameter"),
    ] {
        let detail = api.get(&format!("/tasks?{query}")).await.problem(400);
        assert!(detail.contains(said), "{query}: {detail}");
    }
    assert_eq!(api.get("/tasks?").await.json(), Value::Array(Vec::new()));
}

#[tokio::test]
async fn what_was_finished_is_listed_as_finished_whatever_was_written_over_it() {
    let api = Api::new();
    let (task, other) = (api.add("ours").await, api.add("theirs").await);
    assert_eq!(api.post(&format!("/tasks/{task}/cancel"), json!({})).await.status, 200);
    for id in [task, other] {
        assert!(api.store.rows.foreign_write(id.try_into().unwrap(), "In Progress"));
    }
    let statuses = |answer: &Answer| -> Vec<String> {
        answer.json().as_array().unwrap().iter().map(|task| task["status"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(statuses(&api.get("/tasks").await), ["Cancelled", "In Progress"]);
    assert_eq!(statuses(&api.get("/tasks?status=Cancelled").await), ["Cancelled"]);
    assert_eq!(statuses(&api.get("/tasks?status=In+Progress").await), ["In Progress"]);
}
