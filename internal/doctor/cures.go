package doctor

// cures say what to change for each fault: one line for each place.
var cures = map[string][]string{
	"path": {
		"nginx: location / { proxy_pass http://gatehouse; }, or location /socket.io/",
		"HAProxy: let the frontend's default_backend, or a rule for path_beg /socket.io/, lead to the nodes",
		"Traefik: rule: Host(`…`), without a StripPrefix middleware",
		"cloud: a rule for /socket.io/* to the target group or back-end service of the nodes",
	},
	"away": {
		"is the server running? gatehouse health, on its machine",
		"nginx, HAProxy, Traefik, cloud: do the addresses and ports of the nodes fit, and does a health check ask /readyz?",
	},
	"upgrade headers": {
		"nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;",
		"HAProxy: mode http passes them; take out rules that delete Upgrade or Connection",
		"Traefik: passes them; take out headers middlewares that set Connection",
		"cloud: AWS ALB, Google's and Azure's application balancers pass them; a classic ELB needs TCP listeners; CloudFront needs the headers in its origin request policy",
	},
	"open apart": {
		"engine.open_apart: true sends the first packet in a write of its own behind the 101",
	},
	"sticky": {
		"nginx: hash $remote_addr consistent; in the upstream",
		"HAProxy: stick-table type ipv6 size 100k expire 10m; stick on src",
		"Traefik: services.….loadBalancer.sticky.cookie",
		"cloud: AWS ALB stickiness by cookie; Google: session affinity GENERATED_COOKIE; Azure: cookie-based affinity",
		"or cluster.mode: streams with cluster.addr, where nodes hand requests to the node that has the session",
	},
	"cache": {
		"nginx: no proxy_cache for /socket.io/",
		"cloud: no cache (CloudFront: CachingDisabled) for /socket.io/*",
	},
	"buffer": {
		"nginx: proxy_buffering off;",
		"HAProxy: no option http-buffer-request",
		"Traefik: no buffering middleware",
	},
	"idle": {
		"nginx: proxy_read_timeout 75s; proxy_send_timeout 75s;",
		"HAProxy: timeout client 75s; timeout server 75s; timeout tunnel 75s",
		"Traefik: transport.respondingTimeouts.idleTimeout and .readTimeout above the heartbeat",
		"cloud: AWS ALB idle timeout 75 s or more; Google: timeoutSec of the back-end service; Azure: idle timeout",
	},
	"body": {
		"nginx: client_max_body_size 2m;",
		"Traefik: no buffering middleware with maxRequestBodyBytes below engine.max_payload",
		"cloud: a web application firewall may limit bodies; let /socket.io/ pass",
	},
	"origin": {
		"nginx: proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;",
		"HAProxy: http-request set-header X-Forwarded-Proto https",
		"Traefik and the cloud's balancers set them; CloudFront needs Host in its origin request policy",
		"in every case: list the proxy in trusted_proxies, or the page's origin in origins.allow",
	},
	"operators": {
		"admin.addr: 127.0.0.1:9090 gives them a listener of their own",
		"nginx: location ~ ^/(metrics|api|debug)(/|$) { return 404; }",
		"HAProxy: http-request return status 404 if { path_reg ^/(metrics|api|debug)(/|$) }",
	},
}
