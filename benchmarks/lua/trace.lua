-- What wrk asks: the records of a file, in their order, each once.
-- Arguments: the file (8 bytes each: the number of an object times 64, and its class of size), and
-- a block of fields.

local ffi = require("ffi")
ffi.cdef[[
  int getpid(void);
  int kill(int process, int signal);
]]
local SIGINT = 2 -- with which wrk ends before its time, and tells what it did
local AFTER = 256 -- more requests than connections, so that all before them were answered
local data, records, count, position, block

function init(args)
  local file = assert(io.open(args[1], "rb"))
  data = file:read("*a")
  file:close()
  records = ffi.cast("const uint64_t *", data)
  count, position = #data / 8, 0
  block = " HTTP/1.1\r\n" .. args[2]:gsub("\t", "\r\n") .. "\r\n\r\n"
end

function request()
  local record = tonumber(records[math.min(position, count - 1)])
  position = position + 1
  if position == count + AFTER then ffi.C.kill(ffi.C.getpid(), SIGINT) end
  local size = record % 64
  return string.format("GET /sized/%d/%d%s", size, (record - size) / 64, block)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"bytes":%d,"p50_ms":%.3f,"p99_ms":%.3f,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
