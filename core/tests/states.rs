//! `core/states.md` is what the transition function does.

#[test]
fn the_states_table_is_up_to_date() {
    let written = include_str!("../states.md");
    assert!(
        written == taskwatch_core::diagram::states_markdown(),
        "core/states.md is out of date: run cargo xtask generate"
    );
}
