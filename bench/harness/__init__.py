"""The measuring of `bench/run`. Python's standard library only.

    cli         arguments, which scenarios run, where the results go
    machine     what is measured on: processors, versions, commit, missing tools, the processors' load by others
    process     one server's process tree: start, processor time, memory, stop
    programs    what is built or installed before anything is measured
    servers     albacore and HAProxy, each set up for the same work
    relays      load balancers in front of a server: those two, nginx, and a relay that parses nothing
    functions   who calls functions: albacore, a bare Runtime API, emulators
    load        who sends requests: wrk, h2load, our own clients, the idle client
    rounds      candidates interleaved, ratios of the same round
    report      a section of bench/RESULTS.md
    scenarios/  one file for each question
"""
