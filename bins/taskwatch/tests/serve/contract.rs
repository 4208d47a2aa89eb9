//! The served document against the served API, by schemathesis: from the document it makes requests that ought to work
//! and requests that ought not to, and checks every answer against what the document promises.

use std::process::Command;

use taskwatch_testbed::python;

use crate::support::Served;

const TOKEN: &str = "0123456789abcdef";

#[test]
fn the_api_keeps_to_its_document() {
    let python = python().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    let served = Served::in_folder(folder, &["--set", "intake.token_file=token"]);
    let mut tester = Command::new(python);
    tester.args(["-m", "schemathesis.cli", "run", &format!("http://{}/openapi.json", served.address)]);
    tester.args(["--header", &format!("Authorization: Bearer {TOKEN}")]);
    tester.args(["--checks", "all", "--max-examples", "40", "--seed", "4711", "--generation-database", "none"]);
    tester.args(["--phases", "examples,coverage,fuzzing,stateful", "--no-color"]);
    // A busy machine is no finding.
    tester.args(["--suppress-health-check", "too_slow", "--request-timeout", "60"]);
    // It finds its settings by the folder, and writes there.
    tester.current_dir(served.folder.path()).env("HYPOTHESIS_STORAGE_DIRECTORY", served.folder.path());
    let ran = tester.output().unwrap();
    let report = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{report}\n{}", served.log());
    // It also ends well where it had nothing to do.
    assert!(report.contains("Selected: 5/5") && report.contains("Tested: 5"), "{report}");
    let verified = served.run(&["verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
