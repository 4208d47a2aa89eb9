//! Dead letters of real queues before the real programs: `taskwatch-worker` makes them, or the Lambda function, or a
//! redrive; `taskwatch replay` works them, or sends them back to the worker. SQLite and MariaDB, standard queues and FIFO.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod classes;
mod killed;
mod lambda;
mod place;
mod programs;
mod redrive;
mod replay;
mod trouble;
mod two;

use libtest_mimic::{Arguments, Trial};

use crate::place::{Database, Fifo, Kind, Maria, Sqlite, Standard};

/// As many at once as there are: they wait for queues, far more than they compute.
const AT_ONCE: usize = 32;

const ALL: &[(Database, Kind)] = &[(Sqlite, Standard), (Sqlite, Fifo), (Maria, Standard), (Maria, Fifo)];
const EACH_ONCE: &[(Database, Kind)] = &[(Sqlite, Fifo), (Maria, Standard)];
const THE_OTHER_WAY: &[(Database, Kind)] = &[(Sqlite, Standard), (Maria, Fifo)];
const FUNCTION: &[(Database, Kind)] = &[(Maria, Standard)];
const ONE: &[(Database, Kind)] = &[(Sqlite, Standard)];

type Test = (&'static str, fn(Database, Kind), &'static [(Database, Kind)]);

/// Those that take long come first.
const TESTS: &[Test] = &[
    ("killed_while_it_takes_letters_off_the_queue_it_goes_on", killed::taking, ONE),
    ("killed_while_it_sends_letters_it_goes_on", killed::sending, THE_OTHER_WAY),
    ("killed_while_it_works_letters_here_it_goes_on", killed::working, EACH_ONCE),
    ("what_sqs_has_given_up_by_itself_goes_the_same_ways", redrive::redriven, EACH_ONCE),
    ("each_letter_is_dealt_with_after_its_kind", classes::each_after_its_kind, EACH_ONCE),
    ("what_fails_again_is_a_dead_letter_again_and_does_not_go_in_circles", replay::in_circles, THE_OTHER_WAY),
    ("what_fails_again_here_is_taken_up_again_when_somebody_says_so", replay::again, ONE),
    ("a_queue_that_throttles_is_waited_for_and_then_named", trouble::throttled, ONE),
    ("letters_of_the_lambda_function_go_both_ways", lambda::poison_through_the_function, FUNCTION),
    ("without_rights_it_says_which_and_nothing_is_lost", trouble::denied, ONE),
    ("what_cannot_be_deleted_or_sent_is_not_lost", trouble::half_way, ONE),
    ("letters_are_looked_at_and_then_worked_here", replay::looked_at_and_worked_here, ALL),
    ("letters_go_back_to_their_queue_with_all_that_they_carry", replay::sent_back, ALL),
    ("sqs_says_where_letters_come_from", replay::from_somewhere, THE_OTHER_WAY),
    ("letters_of_a_group_are_worked_in_order", replay::in_order, &[(Maria, Fifo)]),
    ("a_second_replay_of_a_queue_is_refused_and_names_the_first", two::second, ONE),
    ("what_is_left_of_a_killed_replay_is_put_back", two::abandoned, THE_OTHER_WAY),
    ("a_journal_of_another_queue_is_refused_by_name", two::another_queue, ONE),
    ("a_queue_that_is_gone_is_named", trouble::gone, ONE),
];

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let trials = TESTS.iter().flat_map(|&(name, test, places)| {
        places.iter().map(move |&(database, kind)| {
            let name = format!("{name}::{database:?}_{kind:?}").to_lowercase();
            Trial::test(name, move || {
                test(database, kind);
                Ok(())
            })
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
