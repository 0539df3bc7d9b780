package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/net/netutil"

	"github.com/cityproof/cityproof/internal/config"
)

// listen opens a public port, its connections counted.
func (n *node) listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("listening on %s: %w: stop the program that uses this port, or choose another in the configuration", addr, err)
		}
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	return netutil.LimitListener(l, n.cfg.Limits.Connections), nil
}

// listenPrivate opens a port that only this machine can reach: unix:PATH or a
// loopback address, which the configuration has checked.
func listenPrivate(addr string) (net.Listener, error) {
	path, ok := strings.CutPrefix(addr, "unix:")
	if !ok {
		return net.Listen("tcp", addr)
	}
	// A socket that a killed process left behind is in the way; one that answers
	// is somebody's.
	if c, err := net.Dial("unix", path); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("listening on %s: another process answers there", path)
	}
	if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("listening on %s: %w", path, err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("listening on %s: %w", path, err), l.Close())
	}
	return l, nil
}

// certificates encrypt the public ports, from files or by ACME; without either
// they stay plain, for a proxy in front.
type certificates struct {
	cfg     config.TLS
	current atomic.Pointer[tls.Certificate]
	config  *tls.Config // nil: plain
}

func newCertificates(cfg config.TLS) (*certificates, error) {
	c := &certificates{cfg: cfg}
	switch {
	case cfg.Certificate != "":
		c.config = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
		c.config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil }
		if err := c.reload(); err != nil {
			return nil, err
		}
	case len(cfg.Autocert.Hosts) > 0:
		m := &autocert.Manager{
			Prompt:     autocert.AcceptTOS,
			HostPolicy: autocert.HostWhitelist(cfg.Autocert.Hosts...),
			Cache:      autocert.DirCache(cfg.Autocert.Cache),
			Email:      cfg.Autocert.Email,
		}
		c.config = m.TLSConfig()
		c.config.MinVersion = tls.VersionTLS12
		c.config.NextProtos = []string{"h2", "http/1.1", acme.ALPNProto}
	}
	return c, nil
}

// reload reads certificate files again.
func (c *certificates) reload() error {
	if c.cfg.Certificate == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.cfg.Certificate, c.cfg.Key)
	if err != nil {
		return fmt.Errorf("reading TLS certificate: %w", err)
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificates) wrap(l net.Listener) net.Listener {
	if c.config == nil {
		return l
	}
	return tls.NewListener(l, c.config)
}
