-- Sends the prepared requests of the file named by wrk's first argument, one after the other.
-- Records are "<length>\n<bytes>". If argument 2 is "once", each is sent only once.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  prepared, place, once = {}, 0, args[2] == "once"
  errors = 0
  local file = assert(io.open(args[1], "rb"))
  while true do
    local length = file:read("*n")
    if not length then break end
    file:read(1)
    prepared[#prepared + 1] = file:read(length)
  end
  file:close()
end

function request()
  place = place + 1
  if place > #prepared then
    place = 1
    if once then errors = errors + 1 end
  end
  return prepared[place]
end

function response(status, headers, body)
  if status >= 300 then errors = errors + 1 end
end

function done(summary, latency)
  local refused = 0
  for _, thread in ipairs(threads) do refused = refused + thread:get("errors") end
  local broken = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "errors": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6,
    refused + broken.connect + broken.read + broken.write + broken.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
