package server

import (
	"net/http"

	"gatehouse/server/internal/reply"
)

// alive answers that the process runs, whatever its state: a supervisor that
// restarts a silent process must not restart one that drains.
func alive(w http.ResponseWriter, _ *http.Request) {
	reply.JSON(w, http.StatusOK, map[string]string{"status": "alive"})
}

// ready answers whether new connections are taken. A lost Redis is reported,
// but the node stays ready: only tickets and new revocations need Redis, and
// otherwise all nodes would leave the balancer at once.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.leaving.Load() {
		reply.JSON(w, http.StatusServiceUnavailable, map[string]string{"status": "draining"})
		return
	}
	status := map[string]string{"status": "ready"}
	if s.redis != nil && s.redis.Health(r.Context()) != nil {
		status["redis"] = "unavailable"
	}
	if s.node != nil && s.node.Status().Alone {
		status["cluster"] = "alone"
	}
	reply.JSON(w, http.StatusOK, status)
}
