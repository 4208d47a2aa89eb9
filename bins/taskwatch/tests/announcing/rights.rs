//! With no more rights in the database than `taskwatch migrate --help` asks for.

use taskwatch_testbed::{Aws, MariaDb};

use crate::place::{Place, broker, tasks};

/// The statements of the help text, for this database and these accounts.
fn statements(help: &str, database: &str, migrating: &str, working: &str) -> String {
    let granted: Vec<_> = help.lines().map(str::trim).filter(|line| line.starts_with("GRANT ")).collect();
    assert_eq!(granted.len(), 5, "{help}");
    let granted = granted.join("\n").replace("taskmanager.", &format!("{database}."));
    granted.replace("migrator@'%'", &format!("'{migrating}'@'%'")).replace("worker@'%'", &format!("'{working}'@'%'"))
}

#[test]
fn the_rights_that_the_help_text_names_are_enough() {
    let server = MariaDb::shared().unwrap_or_else(|error| panic!("failed to {error}"));
    let place = Place::without_database(broker());
    let help = place.done(&["migrate", "--help"]).0;
    let database = server.create_database().unwrap();
    let (migrating, working) = (Aws::unique("m"), Aws::unique("w"));
    place.write("password", server.password());
    for user in [&migrating, &working] {
        let create = format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{}'", server.password());
        server.sql("mysql", &create).unwrap();
    }
    // What is granted on a table may be granted before there is one.
    let first = "CREATE TABLE tasks (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(255) NOT NULL, description TEXT, \
                 status VARCHAR(50) DEFAULT 'Pending'); INSERT INTO tasks (title, status) VALUES ('of old', 'Completed')";
    server.sql(&database, first).unwrap();
    let as_user = |user: &str| {
        let url = format!("mysql://{user}@{}:{}/{database}", server.host(), server.port());
        ["--database".to_owned(), url, "--set".to_owned(), "database.password_file=password".to_owned()]
    };
    let grants = statements(&help, &database, &migrating, &working);
    let (for_migrating, for_working) = grants.split_once('\n').unwrap();
    server.sql(&database, for_migrating).unwrap();
    let place = place.with(&as_user(&migrating));
    place.done(&["migrate"]);
    server.sql(&database, for_working).unwrap();

    let place = place.with(&as_user(&working));
    place.done(&["migrate", "--check"]);
    let served = place.serve(&["announce.within=30s"]);
    assert_eq!(served.add("one"), 2);
    assert_eq!(served.request("POST /tasks", "Idempotency-Key: k\r\n", r#"{"title": "two"}"#)["task_id"], 3);
    served.request("POST /tasks/3/cancel", "", "{}");
    assert_eq!(tasks(&place.received(2)), [2, 3]);
    assert_eq!(served.logged("failed to"), 0, "{}", served.log());
    place.done(&["run", "--until-empty", "--simulate"]);
    place.write("capture", r#"{"task_id": 2, "title": "one", "description": null}"#);
    place.done(&["replay", "capture", "--yes", "--simulate"]);
    place.books_balance();
}
