package ringhttp

import "net/http"

func (h *Handler) status(w http.ResponseWriter, r *http.Request) error {
	if q := parseQuery(r); q.err != nil {
		return q.err
	}
	status, err := h.service.Status(r.Context())
	if err == nil {
		answer(w, http.StatusOK, status)
	}
	return err
}

func (h *Handler) check(w http.ResponseWriter, r *http.Request) error {
	if q := parseQuery(r); q.err != nil {
		return q.err
	}
	check, err := h.service.Check(r.Context())
	if err == nil {
		answer(w, http.StatusOK, check)
	}
	return err
}

// leave answers when the node has left; whoever runs the node lets this answer out before it ends.
func (h *Handler) leave(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.service.Leave(r.Context()))
}

func (h *Handler) newToken(w http.ResponseWriter, r *http.Request) error {
	q := parseQuery(r, "ttl", "client")
	ttl, client := q.duration("ttl"), q.flag("client")
	if ttl > h.config.MaxTokenTTL {
		q.fail("parameter ttl: at most %v", h.config.MaxTokenTTL)
	}
	if q.err != nil {
		return q.err
	}
	token, err := h.service.NewToken(r.Context(), ttl, client)
	if err == nil {
		answer(w, http.StatusOK, token)
	}
	return err
}

func (h *Handler) revokeToken(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.service.RevokeToken(r.Context(), r.PathValue("id")))
}

func (h *Handler) evict(w http.ResponseWriter, r *http.Request) error {
	q := parseQuery(r, "node")
	node := q.values.Get("node")
	if node == "" {
		q.fail("parameter node is missing: the ID of the member to evict")
	}
	if q.err != nil {
		return q.err
	}
	return done(w, h.service.Evict(r.Context(), node))
}

func (h *Handler) rotate(w http.ResponseWriter, r *http.Request) error {
	token, err := h.service.Rotate(r.Context())
	if err == nil {
		answer(w, http.StatusOK, token)
	}
	return err
}

// done answers what has no result but success.
func done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}
