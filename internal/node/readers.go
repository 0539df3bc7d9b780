package node

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/cityproof/cityproof/internal/priority"
)

// gated makes readers pass a gate until the first byte of their answer.
func gated(gate *priority.Gate, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		release, err := gate.Read(r.Context())
		if err != nil {
			if errors.Is(err, priority.ErrBusy) {
				w.Header().Set("Retry-After", strconv.Itoa(int(priority.RetryAfter.Seconds())))
				w.Header().Set("Access-Control-Allow-Origin", "*")
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			}
			return // else nobody is there any more
		}
		defer release()
		next.ServeHTTP(&gatedWriter{w, release}, r)
	})
}

// gatedWriter gives the place at the gate back before anything is sent.
type gatedWriter struct {
	http.ResponseWriter
	release func()
}

func (w *gatedWriter) WriteHeader(status int) {
	w.release()
	w.ResponseWriter.WriteHeader(status)
}

func (w *gatedWriter) Write(b []byte) (int, error) {
	w.release()
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *gatedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
