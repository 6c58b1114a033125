"""What may go wrong on the way from an approval to Git and from a hub to the pages, and the tests that
show what then happens.

After each of the way to Git, `invariants.py` holds; after each of the way back no page is green by mistake. "Processes"
in this folder are real ones: workers that are killed and paused, git, an https server, PostgreSQL and Redis
(`./fleet test services`); hubs that fail are a process of their own, reached over sockets.

F1 worker killed before the push
    test_workers.py::test_it_survives_a_worker_killed
F2 worker killed during the push
    test_workers.py::test_it_survives_a_worker_killed_while_the_remote_takes_the_push
    test_workers.py::test_it_survives_a_worker_killed_before_the_remote_takes_the_push
    test_installation.py::test_it_replaces_a_child_that_was_killed_in_the_midst_of_a_push
F3 worker killed between push and row
    test_workers.py::test_it_survives_a_worker_killed
F4 a person moves another file
    test_branch.py::test_it_keeps_an_approval_where_people_move_another_file
    test_remotes.py::test_it_lands_beside_a_person_who_pushes_without_an_end
F5 a person changes the same file
    test_branch.py::test_it_sends_back_an_edit_of_a_file_that_a_person_edits_before_the_push
    test_branch.py::test_it_lapses_where_a_person_moves_a_file_that_the_plan_has_read
F6 a hook or protected branch refuses
    test_branch.py::test_it_ends_visibly_what_a_rule_of_the_server_refuses
F7 a stale lock of the ref
    test_remotes.py::test_it_waits_for_a_lock_that_was_left_in_the_remote
F8 rewritten history
    test_branch.py::test_it_alarms_and_writes_nothing_again_where_people_removed_a_commit
    test_branch.py::test_it_alarms_before_the_next_delivery_hides_what_people_removed
    test_branch.py::test_it_builds_on_what_a_person_left_who_rewrites_before_the_push
    test_branch.py::test_it_waits_where_the_branch_is_deleted_before_the_push
F9 many workers, many changes
    test_workers.py::test_it_writes_once_however_often_it_is_woken
    ../services/test_races.py::test_it_writes_once_however_many_workers_wake
F10 corrupt mirror, full disk
    test_remotes.py::test_it_makes_a_damaged_mirror_anew
    test_remotes.py::test_it_waits_visibly_for_a_full_disk
F11 a server that hangs or lies
    test_servers.py::test_it_reads_what_became_of_a_push
    test_servers.py::test_it_follows_nobody_to_another_host
    test_remotes.py::test_it_ends_a_push_that_hangs_and_asks_the_remote
    test_remotes.py::test_it_does_not_believe_a_remote_that_takes_back_what_it_accepted
    ../adapters/test_git_transport.py::test_it_trusts_only_the_named_authority
F12 broken files in the repository
    test_branch.py::test_it_delivers_beside_a_broken_member
    ../adapters/test_git_mirror.py::test_it_takes_links_submodules_and_huge_files_for_no_files
    ../journey/test_broken_repositories.py::test_one_broken_member_hides_no_other
F13 one member breaks the ApplicationSet
    ../journey/test_broken_repositories.py::test_it_answers_on_every_page
F14 double click, replayed form, two tabs
    test_people.py::test_every_change_has_one_outcome_however_many_decide_and_press_twice
    ../journey/test_interruptions.py::test_a_second_request_of_the_same_leads_to_the_first
    ../journey/test_interruptions.py::test_two_tabs_of_one_draft_do_not_overwrite_each_other_unseen
    ../services/test_races.py::test_it_lets_one_of_many_register_a_name
F15 the same name twice
    test_branch.py::test_it_refuses_the_second_cluster_of_a_name_that_came_meanwhile
    ../services/test_neighbours.py::test_it_finds_every_way_to_collide
F16 approve, edit and reject at once
    test_people.py::test_every_change_has_one_outcome_however_many_decide_and_press_twice
    ../services/test_races.py::test_it_lets_one_of_many_approvers_decide
    ../services/test_races.py::test_it_lets_an_approval_and_a_rejection_have_one_outcome
    ../services/test_approvals.py::test_it_is_overtaken_by_a_new_plan_while_it_decides
F17 an edit, a right lost after approval
    test_people.py::test_a_worker_asks_again_whether_who_approved_still_may
    ../services/test_deliveries.py::test_it_asks_again_whether_the_approver_may
    ../services/test_deliveries.py::test_it_counts_no_approver_who_is_an_author
    ../services/test_deliveries.py::test_it_does_not_deliver_a_digest_that_nobody_approved
F18 approving one's own
    test_people.py::test_nobody_decides_what_they_took_part_in
    ../services/test_approvals.py::test_it_never_lets_an_author_decide
F19 a hub's API away, refusing, throttling, slow, half-open
    ../journey/test_hub_faults.py::test_it_is_never_green_while_a_hub_fails_and_says_why
    ../journey/test_hub_faults.py::test_it_is_never_green_while_a_part_of_argo_cd_is_away_and_names_it
    ../journey/test_hub_faults.py::test_it_notices_a_hub_that_freezes_in_the_midst_of_a_watch
    ../journey/test_hub_faults.py::test_it_turns_stale_also_where_nobody_says_anything_any_more
    ../services/test_watching.py::test_it_waits_as_long_as_the_hub_asks
    ../services/test_watching.py::test_it_says_at_once_that_a_right_is_missing
    ../services/test_watching.py::test_it_says_at_once_that_a_hub_hangs
    ../services/test_watching.py::test_it_survives_whatever_argo_cd_does
    ../services/test_observations.py::test_it_notices_that_the_application_controller_is_away
    ../services/test_observations.py::test_it_notices_that_the_controller_of_one_shard_is_away
    ../adapters/test_kubernetes_hub.py::test_it_notices_a_half_open_watch
F20 410, events twice, late and out of order, a hub restored or exchanged
    ../journey/test_hub_faults.py::test_it_lists_anew_with_jitter_where_a_version_is_gone
    ../journey/test_hub_faults.py::test_an_older_word_never_overwrites_a_newer_one
    ../journey/test_hub_faults.py::test_it_keeps_nothing_of_a_hub_that_was_restored_or_replaced
    ../services/test_observations.py::test_it_ignores_events_that_come_twice_or_late
    ../services/test_observations.py::test_it_brings_nothing_back_that_was_deleted
    ../services/test_observations.py::test_it_keeps_the_order_of_deletion_and_creation
    ../services/test_observations.py::test_it_sweeps_nothing_when_a_list_breaks_off
    ../services/test_watching.py::test_it_lists_anew_when_the_watch_expires
    ../services/test_watching.py::test_it_lists_anew_when_the_hub_was_restored_from_a_backup
    ../services/test_watching.py::test_it_lists_anew_after_a_silence_in_which_the_hub_may_have_counted_past_us
F21 a hub killed and started again (`./fleet test hub`)
    ../hub/test_hub_killed.py::test_it_registers_once_where_the_hub_is_killed_in_between
    ../services/test_watching.py::test_it_goes_on_as_soon_as_a_hub_that_was_away_is_back
    ../hub/test_trouble.py::test_it_names_a_hub_that_is_silent_and_reads_it_anew_afterwards
    ../hub/test_trouble.py::test_it_names_an_argo_cd_that_is_silent
F22 huge and malformed objects
    ../journey/test_hub_faults.py::test_it_shows_what_is_rotten_as_unknown_and_reads_the_rest
    ../services/test_watching.py::test_it_survives_huge_and_rotten_objects
    ../services/test_observations.py::test_it_keeps_a_huge_application_small
    ../adapters/test_kubernetes_objects.py::test_it_reads_an_object_whole_that_is_not_as_promised
    ../adapters/test_kubernetes_hub.py::test_it_stops_at_an_event_without_end
    ../adapters/test_argocd_api.py::test_it_leaves_a_malformed_cluster_out
F23 a thousand events a second of a hundred thousand Applications (`./fleet bench status` measures it)
    ../services/test_verdicts.py::test_it_saves_many_judgements_by_few_questions
    ../services/test_watching.py::test_it_gathers_what_comes_together
    ../journey/test_lists_at_size.py::test_it_asks_no_more_for_more_rows
F24 Secrets Manager throttled, denied, elsewhere, silent
    ../journey/test_hub_faults.py::test_it_says_what_secrets_manager_answered_and_takes_no_silence_for_absence
    ../adapters/test_aws_secrets.py::test_it_reads_each_answer_of_aws_and_says_what_to_do
    ../adapters/test_aws_secrets.py::test_it_does_not_find_a_secret_of_another_region
    ../adapters/test_aws_secrets.py::test_it_tells_a_secret_that_waits_for_its_deletion_from_an_absent_one
    ../adapters/test_aws_secrets.py::test_it_is_unreachable_where_nothing_listens
    ../adapters/test_aws_secrets.py::test_it_does_not_wait_long_for_one_that_never_answers
F25 the broker away, frozen, flushed
    test_installation.py::test_it_goes_on_by_itself_when_the_broker_was_away_and_lost_everything
    test_installation.py::test_it_pauses_with_a_broker_that_does_not_answer_and_goes_on_with_it
F26 two beats, doubled messages
    test_installation.py::test_it_writes_once_with_two_beats_and_every_bell_rung_ten_times
F27 a worker that slept through its lease
    test_workers.py::test_it_fences_a_worker_that_slept_through_its_lease
F28 a locked database, a lost connection
    test_workers.py::test_it_waits_for_a_locked_database
    test_workers.py::test_it_survives_the_loss_of_its_database_connection
    test_installation.py::test_it_lets_nobody_wait_for_a_worker_that_stopped_in_a_transaction
F29 clocks that jump
    test_workers.py::test_it_keeps_time_by_the_database_whatever_its_own_clock_says
    test_workers.py::test_it_does_not_wait_for_hours_because_a_clock_was_wrong
    test_workers.py::test_it_lets_nobody_wait_for_a_late_arrival_because_a_clock_was_wrong
    test_branch.py::test_it_alarms_whatever_time_a_worker_wrote_down
An offboarding killed at each of its steps (`./fleet test hub`)
    ../hub/test_offboarding_interrupted.py::test_it_keeps_what_runs_through_every_interruption
    ../hub/test_offboarding_interrupted.py::test_it_takes_a_distributed_spoke_away_through_every_interruption
A spoke that does not bear what a rollout brings (`./fleet test hub`)
    ../hub/test_rollout_sixty.py::test_it_stops_within_its_gate_goes_back_and_touches_no_other
    ../hub/test_rollout_stops.py::test_it_stops_at_the_spoke_that_degrades_and_goes_back
    ../hub/test_rollout_stops.py::test_it_stops_at_the_spoke_whose_sync_fails_and_goes_back
All at once, by chance, from a seed
    test_nemesis.py::test_it_holds_its_promises_whatever_fails
Two changes of one batch that collide
    test_branch.py::test_it_writes_one_of_two_changes_of_a_batch_that_collide
A foreign commit with our trailer
    test_branch.py::test_it_takes_no_commit_for_its_own_because_of_its_trailer
Web process killed while it approves
    test_installation.py::test_it_approves_wholly_or_not_at_all_when_the_web_process_is_killed
"""
