-- A batch of 50 status reports with new smsMsgIds for each request. Argument: 16 hex digits, new
-- for each run.
local pieces, holes = {}, {}
local count = 0
local hole = "000000000000"

function init(args)
  local nonce = args[1]
  local prefix = nonce:sub(1, 8) .. "-" .. nonce:sub(9, 12) .. "-4a2a-" .. nonce:sub(13, 16) .. "-"
  local items = {}
  for number = 1, 50 do
    local status = number % 20 < 17 and "DELIVRD" or ({"UNDELIV", "EXPIRED", "MK:0001"})[number % 20 - 16]
    items[number] = '{"smsMsgId":"' .. prefix .. hole .. "_" .. number
      .. '","total":"1","sequence":"1","status":"' .. status
      .. '","source":"2","updateTime":"2018-04-13T06:31:46Z"}'
  end
  wrk.headers["Content-Type"] = "application/json"
  local body = '{"statusReportList":[' .. table.concat(items, ",") .. "]}"
  local request = wrk.format("POST", nil, nil, body)
  local at = 1
  while true do
    local first, last = request:find(prefix .. hole, at, true)
    if not first then break end
    pieces[#pieces + 1] = request:sub(at, first - 1) .. prefix
    pieces[#pieces + 1] = hole
    holes[#holes + 1] = #pieces
    at = last + 1
  end
  pieces[#pieces + 1] = request:sub(at)
end

function request()
  count = count + 1
  local text = string.format("%012x", count)
  for _, place in ipairs(holes) do
    pieces[place] = text
  end
  return table.concat(pieces)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"answers": %d, "refused": %d, "failed": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
