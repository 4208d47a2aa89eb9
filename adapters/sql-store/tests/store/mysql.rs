//! The store on a real MariaDB.

use crate::support::mysql::MySql;

crate::cases!(MySql::new().await;
    keeps_every_text_as_it_is,
    cuts_a_reason_and_refuses_a_title_that_does_not_fit,
    answers_a_used_key_with_its_first_task,
    gives_ids_in_the_order_of_the_batch,
    hands_out_what_is_due_earliest_first,
    passes_over_rows_that_another_program_still_has_time_for,
    writes_by_compare_and_set_even_a_row_without_a_status,
    many_workers_share_the_work_without_doubles,
    renews_leases_that_are_held_and_names_the_others,
    pages_through_rows_and_orphans,
    keeps_the_ends_of_the_range,
    reads_rows_and_ledger_as_of_one_instant,
    survives_being_dropped_at_any_moment,
);
