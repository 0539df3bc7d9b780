package telemetry_test

import (
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/telemetry"
)

func ask(h http.Handler, method, host, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestT41DebugHandlerAnswersOnlyThisMachine(t *testing.T) {
	level := &slog.LevelVar{}
	h := telemetry.New("v0").DebugHandler(level)
	for host, want := range map[string]int{
		"localhost": 200, "localhost:6060": 200, "127.0.0.1:6060": 200, "[::1]:6060": 200,
		"attacker.example": 421, "localhost.attacker.example:6060": 421, "192.0.2.1": 421, "": 421, "127.0.0.1.attacker.example": 421,
	} {
		if got := ask(h, "GET", host, "/metrics", "").Code; got != want {
			t.Errorf("Host %q: %d, want %d", host, got, want)
		}
	}
	if got := ask(h, "PUT", "attacker.example", "/loglevel", "debug").Code; got != 421 || level.Level() != slog.LevelInfo {
		t.Errorf("a stranger sets the level: %d, %v", got, level)
	}
	if got := ask(h, "PUT", "localhost", "/loglevel", "debug\n").Code; got != 200 || level.Level() != slog.LevelDebug {
		t.Errorf("setting the level: %d, %v", got, level)
	}
	if got := ask(h, "PUT", "localhost", "/loglevel", "loud").Code; got != 400 {
		t.Errorf("no level: %d, want 400", got)
	}
}

func TestMetricsHaveTheirNames(t *testing.T) {
	m := telemetry.New("v1.2.3")
	m.WatchLog("a.example/log", func() telemetry.LogState { return telemetry.LogState{Size: 7, PublishedSize: 6, ReadOnly: true} })
	m.WatchLags("a.example/log", func() []telemetry.LogLag {
		return []telemetry.LogLag{{Log: "a.example/log", Seconds: 90}, {Log: "b.example/log", Seconds: math.Inf(1)}}
	})
	m.Published.WithLabelValues("a.example/log").Add(3)
	m.Refused.WithLabelValues("a.example/log", "InvalidArgument").Inc()
	m.PublishSeconds.WithLabelValues("a.example/log").Observe(0.004)
	m.RPCs.WithLabelValues("/m", "OK").Inc()
	m.HTTPRequests.WithLabelValues("GET /x", "2xx").Inc()
	text := ask(m.DebugHandler(&slog.LevelVar{}), "GET", "localhost", "/metrics", "").Body.String()
	for _, want := range []string{
		`cityproof_published_total{origin="a.example/log"} 3`, `cityproof_refused_total{code="InvalidArgument",origin="a.example/log"} 1`,
		`cityproof_publish_seconds_count{origin="a.example/log"} 1`, `cityproof_rpc_total{code="OK",method="/m"} 1`,
		`cityproof_http_requests_total{status="2xx",surface="GET /x"} 1`, `cityproof_build_info{version="v1.2.3"} 1`,
		`cityproof_log_size{origin="a.example/log"} 7`, `cityproof_log_published_size{origin="a.example/log"} 6`,
		`cityproof_log_read_only{origin="a.example/log"} 1`, "cityproof_log_queued_leaves",
		`cityproof_log_lag_seconds{log="a.example/log",origin="a.example/log"} 90`, `cityproof_log_lag_seconds{log="b.example/log",origin="a.example/log"} +Inf`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
