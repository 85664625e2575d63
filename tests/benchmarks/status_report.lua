-- A status report with a new smsMsgId for each request. Argument: 16 hex digits, new for each run.
local head, tail, prefix
local count = 0
local hole = "000000000000"

function init(args)
  local nonce = args[1]
  prefix = nonce:sub(1, 8) .. "-" .. nonce:sub(9, 12) .. "-4a2a-" .. nonce:sub(13, 16) .. "-"
  local body = "sequence=1&total=1&orgCode=000&updateTime=2018-04-13T06%3A31%3A46Z&source=2"
    .. "&smsMsgId=" .. prefix .. hole .. "_6&status=DELIVRD"
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  local request = wrk.format("POST", nil, nil, body)
  local first, last = request:find(prefix .. hole, 1, true)
  head, tail = request:sub(1, first - 1) .. prefix, request:sub(last + 1)
end

function request()
  count = count + 1
  return head .. string.format("%012x", count) .. tail
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"answers": %d, "refused": %d, "failed": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
