//! Whether the four original columns of a MySQL table are such that the store can work with them.

use taskwatch_core::task::Status;

/// Reads of each column what [`Column`] holds, in its order, and whether its default is the time.
///
/// One question for all that is to be known: it is the one that costs the server most.
pub(super) const READ: &str = "\
    SELECT LOWER(CONVERT(column_name USING utf8mb4)), LOWER(CONVERT(data_type USING utf8mb4)), \
    CONVERT(column_type USING utf8mb4), CONVERT(column_key USING utf8mb4), LOWER(CONVERT(extra USING utf8mb4)), \
    CAST(character_maximum_length AS SIGNED), \
    CAST(COALESCE(column_default LIKE '%utc_timestamp%', 0) AS SIGNED) FROM information_schema.columns \
    WHERE table_schema = DATABASE() AND table_name = 'tasks'";

/// A column as `information_schema.columns` describes it.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// `int`
    pub(super) kind: String,
    /// `int(10) unsigned`
    pub(super) full_kind: String,
    pub(super) key: String,
    pub(super) extra: String,
    /// In characters.
    pub(super) length: Option<i64>,
}

impl Column {
    /// What is wrong with the column, if it is an original one, and what it ought to be.
    pub(super) fn misfit(&self) -> Option<String> {
        let wanted = match self.name.as_str() {
            "id" if !self.is_integer() => "an integer: INT AUTO_INCREMENT PRIMARY KEY",
            "id" if self.key != "PRI" || !self.extra.contains("auto_increment") => {
                "numbered by the server: INT AUTO_INCREMENT PRIMARY KEY"
            }
            "status" if !self.holds_every_status() => "able to hold every status: VARCHAR(50) DEFAULT 'Pending'",
            "title" | "description" if !self.is_text() => "a text: VARCHAR(255) or TEXT",
            _ => return None,
        };
        Some(format!("its column {} is {}, and must be {wanted}", self.name, self.full_kind))
    }

    fn is_integer(&self) -> bool {
        ["tinyint", "smallint", "mediumint", "int", "bigint"].contains(&self.kind.as_str())
    }

    fn is_text(&self) -> bool {
        ["char", "varchar", "tinytext", "text", "mediumtext", "longtext"].contains(&self.kind.as_str())
    }

    /// A TEXT could not be indexed.
    fn holds_every_status(&self) -> bool {
        let mut all = Status::ALL.iter().map(|status| status.as_str());
        match self.kind.as_str() {
            "char" | "varchar" => {
                let longest = all.map(str::len).max().and_then(|longest| i64::try_from(longest).ok());
                self.length >= longest
            }
            "enum" => all.all(|status| self.full_kind.contains(&format!("'{status}'"))),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misfit(name: &str, full_kind: &str, length: Option<i64>) -> Option<String> {
        let kind = full_kind.split([' ', '(']).next().unwrap().to_owned();
        let (key, extra) = ("PRI".to_owned(), "auto_increment".to_owned());
        Column { name: name.into(), kind, full_kind: full_kind.into(), key, extra, length }.misfit()
    }

    #[test]
    fn takes_what_it_can_work_with_and_names_the_rest() {
        for id in ["int(11)", "int(10) unsigned", "bigint unsigned", "smallint"] {
            assert_eq!(misfit("id", id, None), None, "{id}");
        }
        let all = "enum('Pending','In Progress','Completed','Failed','Cancelled')";
        for (status, length) in [("varchar(50)", Some(50)), ("char(11)", Some(11)), (all, Some(11))] {
            assert_eq!(misfit("status", status, length), None, "{status}");
        }
        for (name, kind, length) in [
            ("id", "varchar(36)", Some(36)),
            ("id", "decimal(10,0)", None),
            ("status", "varchar(10)", Some(10)),
            ("status", "enum('Pending','In Progress','Completed')", Some(11)),
            ("status", "int(11)", None),
            ("status", "text", Some(65_535)),
            ("description", "json", None),
            ("title", "varbinary(255)", None),
        ] {
            let why = misfit(name, kind, length).unwrap_or_else(|| panic!("{name} {kind} was taken"));
            assert!(why.contains(name) && why.contains(kind), "{why}");
        }
    }
}
