package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/priority"
	"github.com/cityproof/cityproof/internal/telemetry"
)

// Options are what a node gets from its process.
type Options struct {
	Version string
	Logger  *slog.Logger
	Level   *slog.LevelVar
	// Reload tells (SIGHUP) when to read trust and certificates again; may be nil.
	Reload <-chan os.Signal
	// Ready is called once the public ports answer; its error ends the node. May be
	// nil.
	Ready func(Addresses) error
}

// Addresses are what a running node listens on, with the ports that the kernel
// chose.
type Addresses struct {
	HTTP string `json:"http"`
	GRPC string `json:"grpc"`
}

// stopTimeout is how long requests under way may take once the node was told to
// stop.
const stopTimeout = 15 * time.Second

// Run opens the members, serves them until ctx ends, and closes them. It returns
// nil after an orderly end.
func Run(ctx context.Context, cfg *config.Config, opts Options) (err error) {
	members, err := openMembers(ctx, cfg, opts.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeMembers(members)) }()
	n := &node{cfg: cfg, opts: opts, members: members, metrics: telemetry.New(opts.Version), gate: priority.New()}
	n.watch()
	return n.serve(ctx)
}

// node is a running server.
type node struct {
	cfg     *config.Config
	opts    Options
	members []*member
	metrics *telemetry.Metrics
	gate    *priority.Gate // for readers on all public ports
	tls     *certificates
}

func (n *node) watch() {
	for _, m := range n.members {
		n.metrics.WatchScrub(m.origin, m.scrubState)
		if m.alliance != nil {
			n.metrics.WatchAlliance(m.origin, m.alliance.metrics)
			n.metrics.WatchLags(m.origin, func() []telemetry.LogLag { return m.alliance.beats.lags(time.Now()) })
			n.metrics.WatchMirror(m.origin, m.alliance.mirrorMetrics)
		}
		n.metrics.WatchLog(m.origin, func() telemetry.LogState {
			size, published, queued := m.ledger.State()
			return telemetry.LogState{Size: size, PublishedSize: published, QueuedLeaves: queued, ReadOnly: m.ledger.ReadOnly() != ""}
		})
	}
}

func (n *node) serve(ctx context.Context) error {
	var err error
	if n.tls, err = newCertificates(n.cfg.TLS); err != nil {
		return err
	}
	httpListener, err := n.listen(n.cfg.HTTP.Listen)
	if err != nil {
		return err
	}
	grpcListener, err := n.listen(n.cfg.GRPC.Listen)
	if err != nil {
		return errors.Join(err, httpListener.Close())
	}
	g, ctx := errgroup.WithContext(ctx)
	if err = n.start(ctx, g, httpListener, grpcListener); err != nil {
		return errors.Join(err, httpListener.Close(), grpcListener.Close())
	}
	n.opts.Logger.Info("node is up", slog.String("http", httpListener.Addr().String()), slog.String("grpc", grpcListener.Addr().String()))
	if n.opts.Ready != nil {
		g.Go(func() error {
			return n.opts.Ready(Addresses{httpListener.Addr().String(), grpcListener.Addr().String()})
		})
	}
	err = g.Wait()
	if errors.Is(err, errStopped) {
		n.opts.Logger.Info("node has stopped")
		return nil
	}
	return err
}

// errStopped ends the group when the node was told to stop.
var errStopped = errors.New("stopped")

func (n *node) start(ctx context.Context, g *errgroup.Group, httpListener, grpcListener net.Listener) error {
	api := n.newAPI(grpcListener.Addr().String())
	conn, inProcess, err := api.dial()
	if err != nil {
		return err
	}
	handler, err := n.handler(ctx, conn, httpListener.Addr())
	if err != nil {
		return err
	}
	privates, err := n.openPrivate()
	if err != nil {
		return err
	}
	// From here on nothing can fail but serving itself.
	g.Go(func() error { return api.internal.Serve(inProcess) })
	g.Go(func() error { return api.public.Serve(grpcListener) })
	public := n.httpServer(handler)
	g.Go(func() error { return serveHTTP(public, n.tls.wrap(httpListener)) })
	for _, p := range privates {
		g.Go(func() error { return p.serve(p.Listener) })
	}
	g.Go(func() error { return n.reloads(ctx) })
	for _, m := range n.members {
		g.Go(func() error { m.runScrub(ctx); return nil })
		if m.alliance != nil {
			g.Go(func() error { m.alliance.run(ctx); return nil })
		}
	}
	g.Go(func() error {
		<-ctx.Done()
		api.setServing(false)
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err := public.Shutdown(stop)
		for _, p := range privates {
			p.stop()
		}
		_ = conn.Close()
		stopGRPC(stop, api.public)
		stopGRPC(stop, api.internal)
		if err != nil {
			return fmt.Errorf("stopping: %w", err)
		}
		return errStopped
	})
	return nil
}

// serveHTTP serves until Shutdown.
func serveHTTP(s *http.Server, l net.Listener) error {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func stopGRPC(ctx context.Context, s *grpc.Server) {
	done := make(chan struct{})
	go func() {
		s.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.Stop()
		<-done
	}
}

func (n *node) reloads(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.opts.Reload:
		}
		for _, m := range n.members {
			if err := m.trust.reload(); err != nil {
				n.opts.Logger.Error("reading trust again; the old one stays in force", slog.String("origin", m.origin), slog.Any("err", err))
			} else {
				n.opts.Logger.Info("trust read again", slog.String("origin", m.origin))
			}
		}
		if err := n.tls.reload(); err != nil {
			n.opts.Logger.Error("reading certificates again; the old ones stay in force", slog.Any("err", err))
		}
	}
}
