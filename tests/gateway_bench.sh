#!/usr/bin/env bash
# What the gateway adds to a call, beside what nginx adds as a reverse proxy, over the same upstream in the
# same run: whole answers and streams at one connection, throughput at 16 and 64, memory and CPU. Streams are
# measured twice: all events at once, which shows what reading them costs, and one after another with a pause
# between, as a model server writes them.
#
# nginx stands there twice. `nginx` is `proxy_pass` as it comes, with a connection to the upstream per request;
# the bound is against it. `nginx kept` is tuned by hand to keep its connections; its ratio is printed too.
#
#   tests/gateway_bench.sh            builds lmdeck in release mode first, if it is not there
#   LMDECK_BIN=PATH                   another binary that takes: serve --config F --state-dir D --listen A
#   BENCH_SECONDS=2 BENCH_ROUNDS=7    per measurement, and how often (medians are compared)
#   BENCH_PORT=18400                  the first of ten ports on 127.0.0.1
#   BENCH_PLACES=free                 lets the system choose where each process runs (see `places`)
#
# Exit codes: 0 good, 1 a bound is missed (added p50 above twice nginx's, answers near 40 ms, errors),
# 2 something is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${BENCH_SECONDS:-2}
rounds=${BENCH_ROUNDS:-7}
port=${BENCH_PORT:-18400}
upstream=$port stream_upstream=$((port + 1)) deck=$((port + 2))
nginx_port=$((port + 3)) nginx_stream=$((port + 4)) kept_port=$((port + 5)) kept_stream=$((port + 6))
paced_upstream=$((port + 7)) nginx_paced=$((port + 8)) kept_paced=$((port + 9))

say() { printf '%s\n' "$*" >&2; }

# places: the proxies have one core, the upstream and the load generator another, as a model server and its gateway
# would. Where the system chooses, it puts nginx beside the upstream when each request opens a connection of its own
# and not otherwise, and whether a core has to be woken on the way is worth more than what either proxy does.
proxy=() server=() load=()
if [ "${BENCH_PLACES:-fixed}" = fixed ] && command -v taskset >/dev/null && [ "$(nproc)" -gt 1 ]; then
    proxy=(taskset -c 0) server=(taskset -c 1) load=(taskset -c "$(($(nproc) > 2 ? 2 : 1))")
fi
PATH=$PATH:/usr/sbin
for tool in nginx wrk curl python3; do
    command -v "$tool" >/dev/null || { say "$tool is missing; on Debian and Ubuntu: sudo apt-get install nginx-light wrk curl python3"; exit 2; }
done
bin=${LMDECK_BIN:-target/release/lmdeck}
if [ ! -x "$bin" ]; then
    [ -z "${LMDECK_BIN:-}" ] || { say "$bin is not there"; exit 2; }
    say "building lmdeck"
    cargo build --release --bin lmdeck
fi

work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

answer='{"id":"chatcmpl-bench","object":"chat.completion","created":1,"model":"bench-model","choices":[{"index":0,"message":{"role":"assistant","content":"Eight words are enough for a small answer."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":9,"total_tokens":21}}'
chunk() { printf 'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench-model","choices":[{"index":0,"delta":{%s},"finish_reason":%s}]}\n\n' "$1" "$2"; }
events=$(
    chunk '"role":"assistant","content":""' null
    for word in Eight words are enough for a small answer; do chunk "\"content\":\"$word \"" null; done
    chunk '' '"stop"'
    printf 'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench-model","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":9,"total_tokens":21}}\n\n'
    printf 'data: [DONE]\n\n.'
)
events=${events%.}
models='{"object":"list","data":[{"id":"bench-model","object":"model","created":1,"owned_by":"bench"}]}'
export BENCH_BODY='{"model":"bench/bench-model","messages":[{"role":"system","content":"You answer in few words."},{"role":"user","content":"Say something."}],"max_tokens":64,"temperature":0}'
whole_body=$BENCH_BODY
stream_body=${BENCH_BODY/bench\//bench-stream\/}
stream_body="${stream_body%\}},\"stream\":true}"
paced_body=${stream_body/bench-stream\//bench-paced\/}

# The upstream and the proxy are processes of their own: inside one nginx a proxied request never leaves the
# process, which no real upstream can match.
frame() { # name, then the servers on standard input
    cat <<NGINX
worker_processes 1;
daemon off;
pid $work/$1.pid;
error_log $work/$1.log;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path $work/$1-body; proxy_temp_path $work/$1-proxy; fastcgi_temp_path $work/$1-fastcgi;
    uwsgi_temp_path $work/$1-uwsgi; scgi_temp_path $work/$1-scgi;
$(cat)
}
NGINX
}
frame upstream >"$work/upstream.conf" <<NGINX
    server {
        listen 127.0.0.1:$upstream;
        location /v1/models { default_type application/json; return 200 '$models'; }
        location / { default_type application/json; return 200 '$answer'; }
    }
    server {
        listen 127.0.0.1:$stream_upstream;
        location /v1/models { default_type application/json; return 200 '$models'; }
        location / { default_type text/event-stream; return 200 '$events'; }
    }
NGINX
frame nginx >"$work/nginx.conf" <<NGINX
    upstream whole { server 127.0.0.1:$upstream; keepalive 128; keepalive_requests 100000000; }
    upstream streams { server 127.0.0.1:$stream_upstream; keepalive 128; keepalive_requests 100000000; }
    upstream paced { server 127.0.0.1:$paced_upstream; keepalive 128; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:$nginx_port;
        location / { proxy_pass http://127.0.0.1:$upstream; }
    }
    server {
        listen 127.0.0.1:$nginx_stream;
        location / { proxy_pass http://127.0.0.1:$stream_upstream; proxy_buffering off; }
    }
    server {
        listen 127.0.0.1:$kept_port;
        location / { proxy_pass http://whole; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
    server {
        listen 127.0.0.1:$kept_stream;
        location / { proxy_pass http://streams; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
    }
    server {
        listen 127.0.0.1:$nginx_paced;
        location / { proxy_pass http://127.0.0.1:$paced_upstream; proxy_buffering off; }
    }
    server {
        listen 127.0.0.1:$kept_paced;
        location / { proxy_pass http://paced; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
    }
NGINX
cat >"$work/ai_models.yaml" <<YAML
providers:
  - id: bench
    type: openai_compatible
    endpoint: http://127.0.0.1:$upstream
    models: [bench-model]
  - id: bench-stream
    type: openai_compatible
    endpoint: http://127.0.0.1:$stream_upstream
    models: [bench-model]
  - id: bench-paced
    type: openai_compatible
    endpoint: http://127.0.0.1:$paced_upstream
    models: [bench-model]
limits: { max_concurrent_requests: 256, queue: 1024 }
# The same question again and again: what is measured is asking, not remembering.
cache: { enabled: false }
YAML

for name in upstream nginx; do
    core=("${server[@]}")
    [ "$name" = upstream ] || core=("${proxy[@]}")
    "${core[@]}" nginx -p "$work" -e "$work/$name.log" -c "$work/$name.conf" 2>"$work/$name.err" &
    pids+=($!)
done
"${server[@]}" python3 tests/bench/paced.py serve "$paced_upstream" >"$work/paced.log" 2>&1 &
pids+=($!)
ask() { curl -sS --noproxy '*' --max-time 5 -H 'Content-Type: application/json' -d "$2" "http://127.0.0.1:$1/v1/chat/completions"; }
ready() {
    for _ in $(seq 100); do
        if ask "$1" "$2" 2>/dev/null | grep -qF "$3"; then return 0; fi
        sleep 0.1
    done
    say "port $1 does not answer as it should; it says: $(ask "$1" "$2" 2>&1 | head -c 400)"
    cat "$work"/{upstream,nginx}.err "$work"/{upstream,nginx,deck}.log >&2 || true
    exit 2
}
# The servers first: lmdeck would take one that is not there yet for a dead one, and trust it again a minute later.
for place in $upstream $nginx_port $kept_port; do ready "$place" "$whole_body" 'Eight words'; done
for place in $stream_upstream $nginx_stream $kept_stream; do ready "$place" "$stream_body" '[DONE]'; done
for place in $paced_upstream $nginx_paced $kept_paced; do ready "$place" "$paced_body" '[DONE]'; done
"${proxy[@]}" "$bin" serve --config "$work/ai_models.yaml" --state-dir "$work/state" --listen "127.0.0.1:$deck" >"$work/deck.log" 2>&1 &
deck_pid=$!
pids+=("$deck_pid")
ready "$deck" "$whole_body" 'Eight words'
ready "$deck" "$stream_body" '[DONE]'
ready "$deck" "$paced_body" '[DONE]'

# One measurement: p50, p99, requests/s, errors, share of late answers.
measure() { # port body connections seconds
    BENCH_BODY=$2 "${load[@]}" wrk -t1 -c"$3" -d"$4s" -s tests/bench/latency.lua "http://127.0.0.1:$1/v1/chat/completions" |
        sed -n 's/^figures //p'
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
cpu_ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }

missed=0
miss() { say "missed: $*"; missed=1; }

# Interleaved, so that a busy moment of the machine falls on all three alike.
compare() { # name body direct nginx kept deck
    local name=$1 body=$2 round way
    declare -A place=([direct]=$3 [nginx]=$4 [kept]=$5 [lmdeck]=$6)
    local ways=(direct nginx kept lmdeck)
    for way in "${ways[@]}"; do
        : >"$work/$name.$way"
        measure "${place[$way]}" "$body" 1 1 >/dev/null
    done
    for round in $(seq "$rounds"); do
        for way in "${ways[@]}"; do measure "${place[$way]}" "$body" 1 "$seconds" >>"$work/$name.$way"; done
    done
    declare -A p50
    local first=0 last=0 errors late column
    printf '\n%s, 1 connection     p50 µs   p99 µs   added p50   added p99   errors   from 35 ms on\n' "$name"
    for way in "${ways[@]}"; do
        for column in 1 2 4 5; do
            declare "c$column=$(cut -d' ' -f$column "$work/$name.$way" | median)"
        done
        p50[$way]=$c1 last=$c2 errors=$c4 late=$c5
        [ "$way" = direct ] && first=$last
        printf '  %-22s %8s %8s %11s %11s %8s %10s %%\n' "$way" "$c1" "$last" $((c1 - p50[direct])) $((last - first)) "$errors" "$late"
    done
    [ "$errors" = 0 ] || miss "$name: $errors errors through lmdeck"
    # A handful may be the machine; a mode is not.
    awk -v late="$late" 'BEGIN { exit !(late >= 0.5) }' && miss "$name: $late % of the answers took 35 ms or more"
    local by_deck=$((p50[lmdeck] - p50[direct]))
    for way in nginx kept; do
        local by_nginx=$((p50[$way] - p50[direct]))
        [ "$by_nginx" -gt 0 ] || by_nginx=1
        awk -v d=$by_deck -v n=$by_nginx -v w="$way" 'BEGIN { printf "  added p50, lmdeck to %s: %.2f%s\n", w, d / n, w == "nginx" ? " (bound 2)" : "" }'
        [ "$way" = kept ] || bound "$name" "$by_deck" "$by_nginx"
    done
}
# Bounded by twice nginx's, which is taken as 1 µs at least.
bound() { # what added-by-lmdeck added-by-nginx
    local by_nginx=$3
    [ "$by_nginx" -gt 0 ] || by_nginx=1
    [ "$2" -le $((2 * by_nginx)) ] || miss "$1: lmdeck adds $2 µs at p50, nginx $3 µs"
}

compare_paced() {
    local ways=(direct nginx kept lmdeck) at=0 first p50 p99 old failed late errors
    declare -A event begun
    "${load[@]}" python3 tests/bench/paced.py ask "$seconds" "$rounds" "$paced_body" \
        "$paced_upstream" "$nginx_paced" "$kept_paced" "$deck" >"$work/paced"
    printf '\npaced stream, 1 connection  first µs   p50 µs   p99 µs   added first   added p50   errors   from 35 ms on\n'
    while read -r _ first p50 p99 old failed; do
        local way=${ways[$at]}
        late=$old errors=$failed
        at=$((at + 1)) begun[$way]=$first event[$way]=$p50
        printf '  %-24s %9s %8s %8s %13s %11s %8s %10s %%\n' "$way" "$first" "$p50" "$p99" \
            $((first - begun[direct])) $((p50 - event[direct])) "$errors" "$late"
    done <"$work/paced"
    [ "$errors" = 0 ] || miss "paced stream: $errors errors through lmdeck"
    awk -v late="$late" 'BEGIN { exit !(late >= 0.5) }' && miss "paced stream: $late % of the events took 35 ms or more"
    bound 'paced stream, an event' $((event[lmdeck] - event[direct])) $((event[nginx] - event[direct]))
    bound 'paced stream, the first event' $((begun[lmdeck] - begun[direct])) $((begun[nginx] - begun[direct]))
    return 0
}

compare whole "$whole_body" "$upstream" "$nginx_port" "$kept_port" "$deck"
compare stream "$stream_body" "$stream_upstream" "$nginx_stream" "$kept_stream" "$deck"
compare_paced

printf '\nthroughput, whole answers, requests/s     nginx      kept    lmdeck   to nginx   to kept   lmdeck CPU per request\n'
for connections in 16 64; do
    read -r _ _ by_nginx _ < <(measure "$nginx_port" "$whole_body" "$connections" "$seconds")
    read -r _ _ by_kept _ < <(measure "$kept_port" "$whole_body" "$connections" "$seconds")
    before=$(cpu_ticks "$deck_pid")
    read -r _ _ by_deck errors _ < <(measure "$deck" "$whole_body" "$connections" "$seconds")
    after=$(cpu_ticks "$deck_pid")
    awk -v c="$connections" -v n="$by_nginx" -v k="$by_kept" -v d="$by_deck" -v t=$((after - before)) \
        -v hz="$(getconf CLK_TCK)" -v s="$seconds" 'BEGIN {
            printf "  %2d connections %29d %9d %9d %10.2f %9.2f %15.0f µs\n", c, n, k, d, d / n, d / k, t / hz * 1e6 / (d * s)
        }'
    [ "$errors" = 0 ] || miss "$errors errors at $connections connections"
done
awk '/VmRSS/ { printf "\nmemory after the load: %.1f MB\n", $2 / 1024 }' "/proc/$deck_pid/status"
exit "$missed"
