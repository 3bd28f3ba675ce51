-- A check in nginx: the key's digest is looked up in Redis, and the row is appended to a list there.
local redis = require "nginx.redis"

local token = (ngx.var.http_authorization or ""):match("^Bearer (.+)$")
if not token then
    return ngx.exit(401)
end
local connection = redis:new()
if not connection:connect("unix:" .. ngx.var.redis_socket) then
    return ngx.exit(503)
end
local name = connection:hget("keys", ngx.encode_base64(ngx.hmac_sha1("pepper", token)))
local found = type(name) == "string"
local length = connection:rpush("calls", table.concat({
    ngx.now(), ngx.var.request_id, found and name or "", ngx.var.http_x_original_method, ngx.var.http_x_original_uri,
    ngx.var.http_x_forwarded_host, ngx.var.http_x_forwarded_for, ngx.var.http_user_agent, found and "allowed" or "denied",
}, "\t"))
if not length then
    return ngx.exit(503)
end
connection:set_keepalive(60000, 100)
ngx.exit(found and 200 or 401)
