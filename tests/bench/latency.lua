-- For wrk: posts the body of the environment variable BENCH_BODY and prints one line of figures:
-- figures <p50 µs> <p99 µs> <requests/s> <errors> <share of answers from 35 ms on, in percent>
wrk.method = "POST"
wrk.body = os.getenv("BENCH_BODY")
wrk.headers["Content-Type"] = "application/json"

done = function(summary, latency)
    local errors = summary.errors.connect + summary.errors.read + summary.errors.write
        + summary.errors.status + summary.errors.timeout
    local late = 0
    for tenth = 1, 1000 do
        if latency:percentile(tenth / 10) >= 35000 then late = late + 0.1 end
    end
    print(string.format("figures %d %d %d %d %.1f", latency:percentile(50), latency:percentile(99),
        summary.requests / (summary.duration / 1000000), errors, late))
end
