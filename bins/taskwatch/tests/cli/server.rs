//! A database of one's own on the MariaDB that all tests use, and the ways in.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::ops::Deref;

use taskwatch_testbed::MariaDb;

use crate::support::Place;

/// A [`Place`] whose database is on a server.
pub(crate) struct OnServer {
    place: Place,
    pub(crate) server: &'static MariaDb,
    pub(crate) name: String,
}

impl OnServer {
    /// With an empty database: nobody has migrated it.
    pub(crate) fn empty() -> Self {
        let server = MariaDb::shared().unwrap();
        let name = server.create_database().unwrap();
        let url = format!("mysql://{}@{}:{}/{name}", server.user(), server.host(), server.port());
        let authority = format!("database.ca_file={}", server.ca_pem_path().display());
        let password = "database.password_file=password";
        let place = Place::with(["--database", &url, "--set", password, "--set", &authority]);
        place.write("password", &format!("{}\n", server.password()));
        Self { place, server, name }
    }

    /// With a database that is ready.
    pub(crate) fn migrated() -> Self {
        let this = Self::empty();
        let ran = this.run(["migrate"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        this
    }

    /// What the server answers to its root, past the program.
    pub(crate) fn ask(&self, sql: &str) -> String {
        self.server.sql(&self.name, sql).unwrap().trim().to_owned()
    }
}

impl Deref for OnServer {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}
