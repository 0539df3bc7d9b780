package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	grpchealth "google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	gossipv1 "github.com/cityproof/cityproof/api/cityproof/gossip/v1"
	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/api/openapi"
	"github.com/cityproof/cityproof/internal/gossipnet"
	"github.com/cityproof/cityproof/internal/grpcapi"
	"github.com/cityproof/cityproof/internal/mirror"
	"github.com/cityproof/cityproof/internal/tileserver"
	"github.com/cityproof/cityproof/internal/trillianapi"
	"github.com/cityproof/cityproof/internal/witness"
)

// api is the gRPC surface: one server for the public port, and one in memory
// that the REST twin calls, so that REST passes the same limits.
type api struct {
	public, internal *grpc.Server
	health           *grpchealth.Server
}

func (n *node) newAPI(listening string) *api {
	public := n.cfg.GRPC.Public
	if public == n.cfg.GRPC.Listen {
		public = listening // with the port that the kernel chose
	}
	var members []grpcapi.Member
	for _, m := range n.members {
		members = append(members, grpcapi.Member{Ledger: m.ledger, Publishers: m.publishers, Earlier: m.earlier})
	}
	service := grpcapi.New(members, grpcapi.Options{
		Version: n.opts.Version, Public: public, Observe: n.observePublication, Gate: n.gate, Logger: n.opts.Logger,
	})
	a := &api{health: grpchealth.NewServer()}
	opts := grpcapi.ServerOptions(time.Duration(n.cfg.Limits.RequestTimeout), n.observeCall, n.opts.Logger)
	a.internal = grpc.NewServer(opts...) // its readers have passed the gate at the HTTP port
	opts = append(opts, grpcapi.Gated(n.gate))
	speaks := n.gossipOf()
	switch {
	case speaks != nil:
		opts = append(opts, grpc.Creds(gossipnet.ServerCredentials(speaks.certificate, n.tls.config, speaks.gossip.Known)))
	case n.tls.config != nil:
		opts = append(opts, grpc.Creds(credentials.NewTLS(n.tls.config)))
	}
	a.public = grpc.NewServer(opts...)
	if speaks != nil {
		gossipv1.RegisterGossipServiceServer(a.public, gossipnet.NewServer(speaks.gossip))
	}
	for _, s := range []*grpc.Server{a.public, a.internal} {
		ledgerv1.RegisterLedgerServiceServer(s, service)
	}
	if i := slices.IndexFunc(n.members, func(m *member) bool { return m.alliance != nil && m.alliance.door != nil }); i >= 0 {
		registryv1.RegisterRegistryServiceServer(a.public, grpcapi.NewRegistry(n.members[i].alliance.door, n.opts.Logger))
	}
	healthv1.RegisterHealthServer(a.public, a.health)
	reflection.Register(a.public)
	a.setServing(true)
	return a
}

func (a *api) setServing(on bool) {
	state := healthv1.HealthCheckResponse_NOT_SERVING
	if on {
		state = healthv1.HealthCheckResponse_SERVING
	}
	a.health.SetServingStatus("", state)
	a.health.SetServingStatus(ledgerv1.LedgerService_ServiceDesc.ServiceName, state)
}

// dial connects the REST twin to the server in memory.
func (a *api) dial() (*grpc.ClientConn, net.Listener, error) {
	l := bufconn.Listen(1 << 20)
	conn, err := grpc.NewClient("passthrough:///in-memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxRESTAnswer)),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, fmt.Errorf("making the REST API: %w", err)
	}
	return conn, l, nil
}

func (n *node) observePublication(origin string, declarations int, took time.Duration, err error) {
	if err != nil {
		n.metrics.Refused.WithLabelValues(origin, status.Code(err).String()).Inc()
		return
	}
	n.metrics.Published.WithLabelValues(origin).Add(float64(declarations))
	n.metrics.PublishSeconds.WithLabelValues(origin).Observe(took.Seconds())
}

func (n *node) observeCall(method string, err error) {
	n.metrics.RPCs.WithLabelValues(method, status.Code(err).String()).Inc()
}

// handler is everything on the public HTTP port.
func (n *node) handler(ctx context.Context, conn *grpc.ClientConn, addr net.Addr) (http.Handler, error) {
	mux := http.NewServeMux()
	newHealth(n.members, addr, n.tls.config != nil).routes(mux)
	for _, m := range n.members {
		base := m.cfg.BasePath
		files := http.NewServeMux()
		tileserver.New(m.ledger, n.opts.Logger).Routes(files, base)
		mux.Handle(base+"/log/", gated(n.gate, files))
		if m.witness != nil {
			witness.NewHandler(m.witness, n.opts.Logger).Routes(mux, base)
		}
		if m.mirror != nil {
			mirror.NewHandler(m.mirror, n.opts.Logger).Routes(mux, base)
		}
		if m.alliance != nil {
			mux.HandleFunc("GET "+base+"/root.json", m.alliance.rootJSON)
			mux.HandleFunc("GET "+base+"/api/v1/evidence", m.accusations.list)
		}
		rest, err := grpcapi.Gateway(ctx, conn, m.cfg.City)
		if err != nil {
			return nil, err
		}
		mux.Handle(base+"/api/v1/", http.StripPrefix(base, gated(n.gate, bounded(rest))))
		mux.HandleFunc("GET "+base+"/api/v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(openapi.Ledger)
		})
		mux.HandleFunc("GET "+base+"/{$}", m.welcome)
	}
	return n.counted(mux), nil
}

// welcome says in plain text what is here. The public pages take its place.
func (m *member) welcome(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	p := m.ledger.Published()
	var size uint64
	if p != nil {
		size = p.Checkpoint.Size
	}
	base := m.cfg.BasePath
	fmt.Fprintf(w, `Cityproof: the public log of %s

This log holds %d signed declarations. Nothing here needs to be believed: check it
with the command "cityproof audit".

  checkpoint    %s/log/checkpoint
  tiles         %s/log/tile/…        (C2SP tlog-tiles)
  bodies        %s/log/bodies/<sha256>
  declarations  %s/api/v1/declarations
  API           %s/api/v1/openapi.json
`, m.cfg.City, size, base, base, base, base, base)
}

// Limits of request bodies on the REST API, in bytes: base64 and JSON around what
// gRPC bounds itself.
const (
	maxRESTAnswer = 16 << 20
	maxRESTCall   = 1 << 20
	maxRESTUpload = 96 << 20
)

func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := int64(maxRESTCall)
		if r.URL.Path == "/api/v1/declarations:batch" || r.URL.Path == "/api/v1/attachments" {
			limit = maxRESTUpload
		}
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next.ServeHTTP(w, r)
	})
}

func (n *node) httpServer(handler http.Handler) *http.Server {
	timeout := time.Duration(n.cfg.Limits.RequestTimeout)
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: min(timeout, 10*time.Second),
		ReadTimeout:       timeout,
		WriteTimeout:      2 * timeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

// counted counts requests by surface and class of status.
func (n *node) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sw := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(sw, r)
		n.metrics.HTTPRequests.WithLabelValues(surface(r.Pattern), fmt.Sprintf("%dxx", sw.status/100)).Inc()
	})
}

// surface is a closed set: the pattern that matched, not what a visitor asked for.
func surface(pattern string) string {
	if pattern == "" {
		return "none"
	}
	return pattern
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// private is a listener that only this machine reaches, and what it serves.
type private struct {
	net.Listener
	serve func(net.Listener) error
	stop  func()
}

// openPrivate opens the control sockets, the debug port and Trillian's, where the
// configuration has them, or none.
func (n *node) openPrivate() (out []private, err error) {
	defer func() {
		if err != nil {
			for _, p := range out {
				err = errors.Join(err, p.Close())
			}
		}
	}()
	if n.cfg.Debug.Listen != "" {
		l, lerr := listenPrivate(n.cfg.Debug.Listen)
		if lerr != nil {
			return out, lerr
		}
		s := &http.Server{Handler: n.metrics.DebugHandler(n.opts.Level), ReadHeaderTimeout: 10 * time.Second}
		out = append(out, private{l, func(l net.Listener) error { return serveHTTP(s, l) }, func() { _ = s.Close() }})
	}
	for _, m := range n.members {
		control, cerr := n.openControl(m)
		if cerr != nil {
			return out, cerr
		}
		if control != nil {
			out = append(out, *control)
		}
		if m.cfg.Trillian.Listen == "" {
			continue
		}
		l, lerr := listenPrivate(m.cfg.Trillian.Listen)
		if lerr != nil {
			return out, lerr
		}
		l = netutil.LimitListener(l, trillianapi.MaxConnections)
		opts := grpcapi.ServerOptions(time.Duration(n.cfg.Limits.RequestTimeout), n.observeCall, n.opts.Logger)
		s := grpc.NewServer(append(opts, trillianapi.ServerOptions()...)...)
		out = append(out, private{l, s.Serve, s.Stop})
		server, serr := trillianapi.New([]trillianapi.Tree{{ID: 1, Log: m.log}}, trillianapi.Options{})
		if serr != nil {
			return out, serr
		}
		server.Register(s)
	}
	return out, nil
}
