-- Makes the environment of a script: a new one for every run, so that nothing of one run is seen by the next.
--
-- The functions of the table library that take time by the size of a table give way, for large ones, to code in
-- Lua, in which a script can be stopped. A call through pcall does not go on once the time is over.
local tripped, date, clock, open = ...
local assert, error, pcall, select, type = assert, error, pcall, select, type
local ipairs, next, pairs, tonumber, tostring, unpack = ipairs, next, pairs, tonumber, tostring, unpack
local rawget, rawset, rawequal = rawget, rawset, rawequal
local getmetatable, setmetatable = getmetatable, setmetatable
local insert, remove, concat, sort = table.insert, table.remove, table.concat, table.sort
local getn, maxn = table.getn, table.maxn
local LARGE = 256

local function pass(...)
  if tripped() then error("the script has run out of time", 0) end
  return ...
end
local function guarded_pcall(f, ...) return pass(pcall(f, ...)) end
-- A handler that ran where the error is raised would run beyond the reach of the limits.
local function handled(handler, ok, ...)
  if ok then return ok, ... end
  return ok, handler(...)
end
local function guarded_xpcall(f, handler, ...) return handled(handler, pass(pcall(f, ...))) end

local function small_insert(t, a, ...)
  if select("#", ...) == 0 then return insert(t, a) end
  local n = #t
  local value = ...
  if type(a) ~= "number" or n - a <= LARGE then return insert(t, a, value) end
  for i = n, a, -1 do t[i + 1] = t[i] end
  t[a] = value
end
local function small_remove(t, at)
  local n = #t
  if at == nil or type(at) ~= "number" or n - at <= LARGE then return remove(t, at) end
  local value = t[at]
  for i = at, n - 1 do t[i] = t[i + 1] end
  t[n] = nil
  return value
end
local function small_concat(t, separator, from, to)
  from, to = from or 1, to or #t
  if to - from <= LARGE then return concat(t, separator, from, to) end
  local parts, n = {}, 0
  for i = from, to, LARGE do
    n = n + 1
    local last = i + LARGE - 1
    parts[n] = concat(t, separator, i, last < to and last or to)
  end
  return small_concat(parts, separator, 1, n)
end
local function merge_sort(t, before)
  local n, width = #t, 1
  local from, into = t, {}
  while width < n do
    for low = 1, n, 2 * width do
      local i, j = low, low + width
      local i_end = j <= n and j or n + 1
      local j_end = j + width <= n and j + width or n + 1
      for out = low, j_end - 1 do
        if i < i_end and (j >= j_end or not before(from[j], from[i])) then
          into[out], i = from[i], i + 1
        else
          into[out], j = from[j], j + 1
        end
      end
    end
    from, into, width = into, from, width * 2
  end
  if from ~= t then
    for i = 1, n do t[i] = from[i] end
  end
end
local function small_sort(t, before)
  if #t <= LARGE then return sort(t, before) end
  return merge_sort(t, before or function(a, b) return a < b end)
end
local function nothing() end

local string_names, math_names = open.string or {}, open.math or {}
return function(obj, params, seconds)
  local tables = {
    insert = small_insert, remove = small_remove, concat = small_concat, sort = small_sort,
    getn = getn, maxn = maxn,
  }
  local os = {
    time = function(t) return clock(seconds, t) end,
    date = function(format, at) return date(format, at or clock(seconds)) end,
  }
  -- One constructor: the table gets its size at once.
  local env = {
    assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, select = select,
    tonumber = tonumber, tostring = tostring, type = type, unpack = unpack, rawget = rawget,
    rawset = rawset, rawequal = rawequal, getmetatable = getmetatable, setmetatable = setmetatable,
    pcall = guarded_pcall, xpcall = guarded_xpcall, print = nothing,
    _G = nothing, _VERSION = "Lua 5.1", obj = obj, actionParams = params,
    table = tables, os = os, require = nothing, string = nil, math = nil,
  }
  env._G = env
  local strings, maths
  if open.string then
    strings, maths = {}, {}
    for name, value in next, string_names do strings[name] = value end
    for name, value in next, math_names do maths[name] = value end
    env.string, env.math = strings, maths
  end
  env.require = function(name)
    if name == "os" then return os end
    if name == "table" then return tables end
    if name == "_G" then return env end
    if name == "string" and strings then return strings end
    if name == "math" and maths then return maths end
    error("module " .. tostring(name) .. " not found", 2)
  end
  return env
end
