//! Why something was not published, in words for a log: no message, no headers, no keys.

/// Why one message was not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) why: String,
    /// The message itself was refused: the same once more would be refused again.
    pub(crate) refused: bool,
}

/// What one call has brought, by place in the call.
pub(crate) type Outcomes = Vec<Result<(), Failure>>;

/// What the answer to a call says: who was published, and who was not.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    published: Vec<String>,
    failed: Vec<(String, Failure)>,
}

impl Answer {
    pub(crate) fn published(&mut self, id: &str) {
        self.published.push(id.to_owned());
    }

    pub(crate) fn failed(&mut self, id: &str, code: &str, message: Option<&str>, refused: bool) {
        let why = message.map_or_else(|| code.to_owned(), |message| format!("{message} ({code})"));
        self.failed.push((id.to_owned(), Failure { why, refused }));
    }

    /// By place; the ids of a call are the places of its messages.
    pub(crate) fn outcomes(mut self, count: usize) -> Outcomes {
        let outcome = |at: usize| {
            let id = at.to_string();
            if let Some(found) = self.failed.iter().position(|(failed, _)| *failed == id) {
                return Err(self.failed.swap_remove(found).1);
            }
            let unknown = || Failure { why: "the answer does not mention it".to_owned(), refused: false };
            self.published.contains(&id).then_some(()).ok_or_else(unknown)
        };
        (0..count).map(outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_id_and_silence_is_no_success() {
        let mut answer = Answer::default();
        answer.failed("3", "InternalError", None, false);
        answer.published("0");
        answer.failed("1", "InvalidParameter", Some("too long"), true);
        let failure = |why: &str, refused| Err(Failure { why: why.into(), refused });
        assert_eq!(
            answer.outcomes(4),
            [
                Ok(()),
                failure("too long (InvalidParameter)", true),
                failure("the answer does not mention it", false),
                failure("InternalError", false),
            ]
        );
    }
}
