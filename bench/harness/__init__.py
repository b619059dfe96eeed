"""The measuring of `bench/run`. Python's standard library only.

    cli         arguments, which scenarios run, where the results go
    machine     what is measured on: processors, versions, commit, missing tools, the processors' load by others
    process     one server's process tree: start, processor time, memory, stop
    servers     albacore and HAProxy, each set up for the same work
    load        who sends requests: wrk, bench/handshakes.rs, the idle client
    rounds      candidates interleaved, ratios of the same round
    report      a section of bench/RESULTS.md
    scenarios/  one file for each question
"""
