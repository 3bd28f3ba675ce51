-- Asks Keyward's gateway about a call, with HAProxy's own HTTP client (2.6 or later). No other module is needed.
--
-- haproxy.cfg says in KEYWARD_GATEWAY where to ask and in KEYWARD_SECRET_FILE which file holds the secret.
--
-- `http-request lua.keyward <slug>` lets a call through, named by the headers of the gateway's yes, or answers it. It
-- fails closed: whatever is no clear yes is a refusal.

local PATIENCE = 3000 -- milliseconds; haproxy.cfg gives up before

-- Read now, before HAProxy gives up its rights.
local gateway = os.getenv("KEYWARD_GATEWAY")
local secret = assert(io.open(os.getenv("KEYWARD_SECRET_FILE"))):read("l")

-- What the API learns, all of it set on every call, so that nothing of the client's survives.
local IDENTITY = {
    "x-key-id", "x-key-name", "x-account", "x-owner", "x-modules", "x-module", "x-mask-phone-number", "x-phone-mask",
    "x-body-sha256", "x-hlr-lookup", "x-request-id",
}
-- What a client proves itself with: the gateway hears every value of these, and decides about two.
-- The last two tell a CORS preflight.
local HEARD = {
    "authorization", "x-api-key", "x-api-id", "x-timestamp", "x-nonce", "x-body-sha256", "x-signature",
    "origin", "access-control-request-method",
}
-- What a refused client learns.
local REFUSAL = {
    "www-authenticate", "content-type", "cache-control", "x-refusal", "x-client-address", "x-request-id",
}

local function first(headers, name)
    return headers and headers[name] and headers[name][0] or ""
end

local function ask(txn, question)
    local sent = txn.http:req_get_headers()
    local headers = {
        ["x-gateway-secret"] = {secret},
        ["x-original-method"] = {txn.sf:method()},
        ["x-original-uri"] = {txn.sf:pathq()},
        ["x-forwarded-for"] = {txn.sf:src()},
        ["x-forwarded-host"] = {first(sent, "host")},
        ["user-agent"] = {first(sent, "user-agent")},
    }
    for _, name in ipairs(HEARD) do
        if sent[name] then
            headers[name] = {}
            for at = 0, #sent[name] do
                headers[name][at + 1] = sent[name][at]
            end
        end
    end
    return core.httpclient():get{
        url = "http://gateway" .. question, dst = gateway, headers = headers, timeout = PATIENCE,
    }
end

local function answer(txn, status, headers, body)
    local reply = txn:reply{status = status}
    for name, value in pairs(headers) do
        reply:add_header(name, value)
    end
    reply:set_body(body)
    txn:done(reply)
end

local function unavailable(txn)
    answer(txn, 503, {
        ["content-type"] = "application/problem+json",
        ["cache-control"] = "no-store",
        ["x-refusal"] = "unavailable",
    }, '{"code":"unavailable"}')
end

-- The gateway's answer as it is, without what is only between it and this proxy.
local function pass(txn, said)
    local headers = {}
    for _, name in ipairs(REFUSAL) do
        local value = first(said.headers, name)
        if value ~= "" then
            headers[name] = value
        end
    end
    answer(txn, said.status, headers, said.body or "")
end

core.register_action("keyward", {"http-req"}, function(txn, api)
    local fine, said = pcall(ask, txn, "/v1/verify/" .. api)
    local status = fine and said and said.status
    local request_id = status and first(said.headers, "x-request-id") or ""
    txn:set_var("txn.keyward_request_id", request_id)
    if status == 401 or status == 403 then
        return pass(txn, said)
    end
    -- A yes that names neither a key nor a CORS preflight is not the gateway's: whatever answers there instead opens
    -- nothing.
    local preflight = status and first(said.headers, "x-preflight") == "true"
    if status ~= 200 or (first(said.headers, "x-key-id") == "" and not preflight) then
        return unavailable(txn)
    end
    for _, name in ipairs(IDENTITY) do
        txn.http:req_set_header(name, first(said.headers, name))
    end
    -- haproxy.cfg lets nothing on that does not carry this.
    txn:set_var("txn.keyward_allowed", true)
end, 1)

-- Whose key is this? For the key's holder; the API is not asked.
core.register_action("keyward_whoami", {"http-req"}, function(txn, api)
    local fine, said = pcall(ask, txn, "/v1/whoami/" .. api)
    local status = fine and said and said.status
    txn:set_var("txn.keyward_request_id", status and first(said.headers, "x-request-id") or "")
    if status == 200 or status == 401 or status == 403 then
        return pass(txn, said)
    end
    unavailable(txn)
end, 1)
