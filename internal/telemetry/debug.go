package telemetry

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// DebugHandler serves /metrics, /debug/pprof/ and /loglevel (GET; PUT with the
// level as body). It answers only requests whose Host is the local machine, so
// that a page in the operator's browser can't reach it through a name of its own
// (DNS rebinding, threat T-41).
func (m *Metrics) DebugHandler(level *slog.LevelVar) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /loglevel", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, level.Level())
	})
	mux.HandleFunc("PUT /loglevel", func(w http.ResponseWriter, r *http.Request) {
		var buf [16]byte
		n, _ := r.Body.Read(buf[:])
		var l slog.Level
		if err := l.UnmarshalText([]byte(strings.TrimSpace(string(buf[:n])))); err != nil {
			http.Error(w, "want debug, info, warn or error", http.StatusBadRequest)
			return
		}
		level.Set(l)
		fmt.Fprintln(w, l)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !local(r.Host) {
			http.Error(w, "this port answers only to localhost", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// local reports whether a Host header names this machine. Over a unix socket
// clients send any name they like, most of them "localhost".
func local(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" || host == "unix" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
