-- What wrk asks: a target of a list, in its order, with a block of fields drawn from another.
-- Arguments: folder, requests a second (0: as many as can be), first number, last number.
-- A first number above 0 makes every target unlike all before; after the last one wrk stops.

local ffi = require("ffi")
ffi.cdef[[
  typedef struct { long s; long ns; } instant;
  int clock_gettime(int clock, instant *told);
]]
local told = ffi.new("instant")
local MONOTONIC = 1

local targets, blocks, rate, number, last, due
local position, whole = 0, nil

local function lines_of(path)
  local found = {}
  for line in io.lines(path) do found[#found + 1] = line end
  return found
end

local function now_ms()
  ffi.C.clock_gettime(MONOTONIC, told)
  return tonumber(told.s) * 1000 + tonumber(told.ns) / 1e6
end

function init(args)
  targets = lines_of(args[1] .. "/targets")
  blocks = {}
  for _, line in ipairs(lines_of(args[1] .. "/blocks")) do
    blocks[#blocks + 1] = " HTTP/1.1\r\n" .. line:gsub("\t", "\r\n") .. "\r\n\r\n"
  end
  rate, number, last = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  if rate > 0 then delay = paced; due = now_ms() end
  if #targets == 1 and #blocks == 1 and number == 0 then
    whole = "GET " .. targets[1] .. blocks[1]
  end
end

function request()
  if whole then return whole end
  position = position % #targets + 1
  local target = targets[position]
  if number > 0 then
    target = target .. number
    number = number + 1
    if number > last then wrk.thread:stop() end
  end
  return "GET " .. target .. blocks[math.random(#blocks)]
end

-- An open loop: the next request has its time whether the last answer has come or not, as long as
-- one of the connections is free.
function paced()
  due = due + 1000 / rate
  return math.max(0, math.floor(due - now_ms()))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"bytes":%d,"p50_ms":%.3f,"p99_ms":%.3f,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
