//! The program on a terminal, and what it keeps off pipes: bars, colours, control characters.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use taskwatch_testbed::find_program;

use crate::support::Place;

const INTERRUPT: &[u8] = b"\x03";

/// `taskwatch` with a terminal of its own, which `script` makes.
struct Terminal {
    script: Child,
    screen: Vec<u8>,
}

impl Terminal {
    /// Begins with variables such as `NO_COLOR=1`, and words that the shell takes as they are.
    fn start(place: &Place, variables: &[&str], words: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_taskwatch");
        let mut command = Command::new(find_program("script").unwrap());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("TMPDIR", place.path("")).current_dir(place.path(""));
        command.envs(variables.iter().filter_map(|variable| variable.split_once('=')));
        command.args(["--quiet", "--return", "--command"]).arg(format!("stty cols 100; exec '{program}' {words}"));
        command.arg("/dev/null").stdin(Stdio::piped()).stdout(Stdio::piped());
        Self { script: command.spawn().unwrap(), screen: Vec::new() }
    }

    /// Reads on until the screen has shown this; `None` reads to the end.
    fn wait_for(&mut self, text: Option<&str>) {
        let out = self.script.stdout.as_mut().unwrap();
        let mut more = [0; 4096];
        while !text.is_some_and(|text| String::from_utf8_lossy(&self.screen).contains(text)) {
            let count = out.read(&mut more).unwrap();
            if count == 0 {
                assert!(text.is_none(), "{text:?} never came: {}", String::from_utf8_lossy(&self.screen));
                return;
            }
            self.screen.extend_from_slice(&more[..count]);
        }
    }

    fn press(&mut self, keys: &[u8]) {
        let keyboard = self.script.stdin.as_mut().unwrap();
        keyboard.write_all(keys).unwrap();
        keyboard.flush().unwrap();
    }

    /// Reads to the end; answers with the exit code and all that the screen has shown.
    fn end(mut self) -> (Option<i32>, String) {
        self.wait_for(None);
        let status = self.script.wait().unwrap();
        (status.code(), String::from_utf8_lossy(&self.screen).into_owned())
    }
}

/// Control sequences by which a line is drawn anew.
fn redraws(screen: &str) -> bool {
    screen.contains("\x1b[2K") || screen.contains("\x1b[1A") || screen.replace("\r\n", "\n").contains('\r')
}

/// Sequences that set a colour or a weight.
fn colours(screen: &str) -> bool {
    screen
        .split("\x1b[")
        .skip(1)
        .any(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
}

#[test]
fn the_demo_draws_a_bar_and_an_interruption_ends_it_without_a_trace() {
    for (variables, drawn, coloured) in [
        (&["TERM=xterm"][..], true, true),
        (&["TERM=xterm", "NO_COLOR=1"], true, false),
        (&["TERM=dumb"], false, false),
    ] {
        let place = Place::new();
        let mut terminal = Terminal::start(&place, variables, "demo --tasks 2000");
        terminal.wait_for(Some("/2003 settled"));
        terminal.press(INTERRUPT);
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(130), "{variables:?}: {screen}");
        assert!(screen.contains("interrupted"), "{variables:?}: {screen}");
        assert_eq!(redraws(&screen), drawn, "a bar? {variables:?}: {screen:?}");
        assert_eq!(screen.contains(['█', '░']), drawn, "a bar? {variables:?}: {screen:?}");
        assert_eq!(colours(&screen), coloured, "colours? {variables:?}: {screen:?}");
        let left: Vec<_> = std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{variables:?}: {left:?}");
    }
}

#[test]
fn lists_are_coloured_for_eyes_only() {
    let place = Place::new();
    place.run(["add", "broken"]);
    place.run(["run", "--until-empty", "--max-attempts", "1", "--command", "--", "false"]);
    let words = "--database sqlite://tasks.db list";
    for (variables, words, coloured) in [
        (&["TERM=xterm"][..], words.to_owned(), true),
        (&["TERM=xterm", "NO_COLOR=1"], words.to_owned(), false),
        (&["TERM=xterm", "NO_COLOR=1"], format!("{words} --color always"), true),
        (&["TERM=xterm"], format!("{words} --color never"), false),
        (&["TERM=dumb"], words.to_owned(), false),
        (&["TERM=xterm"], format!("{words} | cat"), false),
    ] {
        let (_, screen) = Terminal::start(&place, variables, &words).end();
        assert!(screen.contains("broken"), "{screen}");
        assert_eq!(colours(&screen), coloured, "{variables:?} {words}: {screen:?}");
    }
}

#[test]
fn a_replay_draws_a_bar_with_the_time_left_and_prints_above_it() {
    let place = Place::new();
    place.run(["add", "t", "--count", "30"]);
    let letters: Vec<_> = (1..=31).map(|task| format!("{{\"task_id\": {task}}}")).collect();
    place.write("dead.jsonl", &letters.join("\n"));
    let home = format!("HOME={}", place.path("").display());
    let words = "--database sqlite://tasks.db replay dead.jsonl --yes --rate 30/s --simulate";
    let (code, screen) = Terminal::start(&place, &["TERM=xterm-256color", &home], words).end();
    assert_eq!(code, Some(3), "{screen}");
    for part in ["replaying", "/31", " left", "letter 31, task 31: ", "task 1 Completed"] {
        assert!(screen.contains(part), "{part:?} is not on {screen}");
    }
}
