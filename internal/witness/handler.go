package witness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Bounds of what strangers can make a witness do at a time.
const (
	maxAtOnce   = 256 // requests that are being answered; more get 503
	readTimeout = 10 * time.Second
)

// Handler serves a witness over HTTP: c2sp.org/tlog-witness.
type Handler struct {
	witness *Witness
	logger  *slog.Logger
	room    chan struct{}
}

// NewHandler returns the handler of a witness.
func NewHandler(w *Witness, logger *slog.Logger) *Handler {
	return &Handler{w, logger, make(chan struct{}, maxAtOnce)}
}

// Routes adds the handler's paths to mux, each behind base ("" or "/path").
func (h *Handler) Routes(mux *http.ServeMux, base string) {
	mux.HandleFunc("POST "+base+"/witness/add-checkpoint", h.addCheckpoint)
	mux.HandleFunc("GET "+base+"/witness/{origin}/checkpoint", h.checkpoint)
}

// MirrorRoutes adds the paths of a mirror, which cosigns each log under the path of its copy.
func (h *Handler) MirrorRoutes(mux *http.ServeMux, base string) {
	mux.HandleFunc("POST "+base+"/mirror/{origin}/add-checkpoint", h.addCheckpoint)
	mux.HandleFunc("GET "+base+"/mirror/{origin}/checkpoint", h.checkpoint)
}

func (h *Handler) addCheckpoint(w http.ResponseWriter, r *http.Request) {
	// A server without deadlines keeps its own: what follows is then bounded by that.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxRequest))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
		} else {
			http.Error(w, "the request was cut", http.StatusBadRequest)
		}
		return
	}
	// Only now: who sends slowly holds a connection, of which the server has its own bound, and no place here.
	select {
	case h.room <- struct{}{}:
		defer func() { <-h.room }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
		return
	}
	line, err := h.witness.AddCheckpoint(r.Context(), body)
	if err != nil {
		h.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write(line) //nolint:errcheck // the caller is gone, and asks again
}

// refuse answers with the status of the error, and with 500 and no detail where it is this node's.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	var refused *RefusedError
	if !errors.As(err, &refused) {
		h.logger.Error("witness can't cosign", slog.Any("err", err))
		http.Error(w, "this witness has a problem of its own", http.StatusInternalServerError)
		return
	}
	if refused.Status == http.StatusConflict {
		w.Header().Set("Content-Type", "text/x.tlog.size")
		w.WriteHeader(refused.Status)
		io.WriteString(w, strconv.FormatUint(refused.Size, 10)+"\n") //nolint:errcheck // the caller is gone, and asks again
		return
	}
	if refused.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(refused.RetryAfter.Seconds()))))
	}
	http.Error(w, refused.Error(), refused.Status)
}

func (h *Handler) checkpoint(w http.ResponseWriter, r *http.Request) {
	origin, err := hex.DecodeString(r.PathValue("origin"))
	if err != nil || len(origin) != sha256.Size || hex.EncodeToString(origin) != r.PathValue("origin") {
		http.Error(w, "want SHA-256 of an origin in lower-case hexadecimal", http.StatusNotFound)
		return
	}
	note, ok, err := h.witness.Checkpoint([sha256.Size]byte(origin))
	switch {
	case err != nil:
		h.refuse(w, err)
		return
	case !ok:
		http.Error(w, "this witness never cosigned that log", http.StatusNotFound)
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", "*") // verifiers in a browser come from anywhere
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "public, max-age=2")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write(note) //nolint:errcheck // the caller is gone
}
