//! The spawner, from outside: real processes, looked at through `/proc`.
//!
//! This program is its own test harness, because it is also the spawner and, for the crash tests, a second albacore.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test, which clippy cannot see without the usual harness"
)]

mod attacker;
mod confinement;
mod crashes;
mod host_network;
mod lifecycle;
mod log_pipe;
mod namespace;
mod outside;
mod own_tmp;
mod parked;
mod support;
mod walls;
mod world;

use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::process::ExitCode;
use tokio::runtime::Builder;
use tokio::time::timeout;

/// Begins a test.
type Begin = fn() -> Pin<Box<dyn Future<Output = ()>>>;

/// Lists async functions as tests: a name and how to begin each.
macro_rules! tests {
    ($($module:ident::$name:ident,)*) => {
        vec![$((concat!(stringify!($module), "::", stringify!($name)), (|| Box::pin($module::$name())) as Begin)),*]
    };
}

fn main() -> ExitCode {
    sandbox::run_spawner_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == attacker::ATTACKER) {
        attacker::attack(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    let runtime = || Builder::new_current_thread().enable_all().build().expect("a runtime");
    if arguments.first().is_some_and(|first| first == world::INTERNET) {
        world::serve();
        return ExitCode::SUCCESS;
    }
    if arguments.first().is_some_and(|first| first == crashes::SECOND_ALBACORE) {
        return runtime().block_on(crashes::second_albacore());
    }
    if arguments.first().is_some_and(|first| first == outside::SECOND_ALBACORE) {
        return runtime().block_on(outside::second_albacore());
    }
    let tests = tests![
        lifecycle::output_and_exit_code_arrive,
        lifecycle::a_signal_is_reported,
        lifecycle::the_environment_is_exactly_what_was_given,
        lifecycle::a_large_request_arrives_whole_and_a_larger_one_is_refused,
        lifecycle::a_program_that_cannot_be_executed_is_named_with_its_error,
        lifecycle::a_missing_directory_is_an_error_of_its_step,
        lifecycle::kill_ends_one_environment_and_no_other,
        lifecycle::terminate_lets_the_process_decide,
        lifecycle::a_dropped_process_is_killed,
        lifecycle::a_dropped_spawn_leaves_nothing,
        lifecycle::wait_can_be_dropped_and_called_again,
        lifecycle::there_are_at_most_so_many_processes,
        lifecycle::two_hundred_spawns_leave_no_zombie_and_no_descriptor,
        lifecycle::a_hundred_at_once_start_and_end,
        confinement::the_process_has_no_rights_and_ordinary_signals,
        confinement::only_the_standard_streams_are_open,
        log_pipe::it_is_descriptor_62_of_the_process_and_its_children,
        log_pipe::it_is_there_only_when_asked_for,
        log_pipe::it_ends_with_the_environment,
        log_pipe::each_environment_has_its_own_however_many_there_are,
        confinement::limits_are_set,
        confinement::only_the_temporary_directory_can_be_written,
        confinement::its_own_init_and_the_spawner_cannot_be_signalled,
        confinement::calls_are_refused,
        confinement::it_is_so_for_an_ordinary_user,
        own_tmp::it_is_the_directory_and_nobody_else_sees_it,
        own_tmp::each_process_has_its_own_and_the_host_none,
        own_tmp::the_process_still_has_no_rights,
        own_tmp::a_killed_init_leaves_nothing,
        own_tmp::a_mount_that_fails_is_an_error_of_its_step,
        own_tmp::it_is_so_for_an_ordinary_user,
        namespace::a_process_finds_what_lambda_promises,
        namespace::outputs_can_be_opened_anew,
        namespace::a_scratch_outlives_a_run_and_is_shared_with_nobody,
        namespace::a_scratch_is_empty_and_of_its_own_size,
        namespace::several_processes_share_one,
        namespace::the_last_process_takes_everything_with_it,
        namespace::terminate_reaches_the_process,
        namespace::what_cannot_be_shown_is_an_error_of_its_step,
        namespace::a_program_that_cannot_be_executed_is_named_with_its_error,
        namespace::a_spec_for_the_host_is_of_the_process_tier,
        namespace::a_killed_init_leaves_nothing,
        namespace::a_killed_shell_is_replaced,
        namespace::a_killed_forker_is_replaced,
        namespace::a_forker_that_stands_still_is_replaced,
        namespace::a_killed_spawner_leaves_nothing_and_another_one_takes_over,
        namespace::without_the_tier_there_is_no_enclosure,
        namespace::each_has_its_control_group,
        namespace::many_leave_nothing,
        namespace::five_hundred_leave_nothing,
        namespace::a_burst_starts_and_ends,
        parked::code_comes_later,
        parked::its_memory_is_limited_from_then_on,
        parked::code_that_cannot_be_shown_is_an_error_of_its_step,
        parked::it_can_be_completed_once,
        parked::a_parked_one_dies_with_its_spawner,
        parked::the_assignment_pipe_is_there_only_when_asked_for,
        parked::a_frozen_one_stands_still_and_goes_on,
        parked::a_frozen_one_hears_sigterm_and_can_be_killed,
        parked::frozen_ones_die_with_their_spawner,
        parked::freezing_works_for_an_ordinary_user,
        parked::a_share_of_the_processors_is_kept,
        walls::files_of_the_host_are_not_there,
        walls::links_lead_nowhere,
        walls::only_tmp_can_be_written,
        walls::calls_are_refused,
        walls::rights_cannot_be_had,
        walls::no_other_process_is_seen_or_killed,
        walls::the_host_is_not_on_its_network,
        walls::a_runtime_api_is_reached_only_from_its_own_environment,
        walls::a_fork_bomb_ends_at_its_limit,
        walls::who_watches_files_keeps_nobody_else_from_it,
        walls::a_full_tmp_is_an_error_and_no_end,
        walls::a_memory_bomb_ends_alone,
        walls::they_stand_for_an_ordinary_user,
        host_network::it_reaches_what_the_host_reaches,
        host_network::every_other_wall_stands,
        host_network::abstract_names_of_others_are_out_of_reach,
        host_network::it_cannot_be_chosen_late,
        host_network::nothing_is_left_of_them,
        host_network::it_comes_back_when_its_keeper_was_killed,
        host_network::it_is_so_for_an_ordinary_user,
        outside::public_addresses_are_reached,
        outside::private_ones_are_reached_where_that_is_allowed,
        outside::nothing_else_is_reached,
        outside::environments_do_not_reach_each_other,
        outside::a_parked_one_is_connected_late,
        outside::two_share_a_machine,
        outside::many_leave_nothing,
        outside::a_killed_spawner_leaves_nothing,
        outside::a_killed_albacore_leaves_nothing,
        outside::what_killed_ones_left_is_taken_away,
        outside::what_is_lacking_is_named,
        crashes::a_daemon_is_killed_with_its_main_process,
        crashes::a_killed_albacore_leaves_nothing,
        crashes::a_killed_spawner_leaves_nothing_and_another_one_takes_over,
        crashes::a_shutdown_between_two_spawners_leaves_nothing,
        crashes::a_killed_init_leaves_nothing,
        crashes::shutdown_leaves_nothing,
        crashes::the_last_handle_ends_the_spawner,
        crashes::signals_of_a_terminal_do_not_end_the_spawner,
    ];

    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let (mut passed, mut failed) = (0, 0);
    for (name, begin) in tests.iter().filter(|(name, _)| chosen(name)) {
        let whole = async {
            timeout(support::LIMIT * 2, begin())
                .await
                .expect("the test ends in time");
        };
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| runtime().block_on(whole)));
        *if outcome.is_ok() { &mut passed } else { &mut failed } += 1;
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let filtered = tests.len() - passed - failed;
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out\n"
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
