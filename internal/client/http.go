package client

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
)

// HTTPOptions say how a web server is spoken to. The zero value works.
type HTTPOptions struct {
	// TLS is for https; default: the system's roots, TLS 1.2 and later.
	TLS *tls.Config
	// UserAgent names the program; default "cityproof".
	UserAgent string
	// Timeout is for one try of one file, to its last byte. Default 30 s. A slow
	// server costs this long and not more.
	Timeout time.Duration
	// Tries of one file where the server or the network is in trouble; default 3.
	Tries int
	// Transport replaces the connections to the network; TLS is then not used. A
	// test sets it; default: connections of our own.
	Transport http.RoundTripper
}

func (o *HTTPOptions) setDefaults() {
	if o.UserAgent == "" {
		o.UserAgent = "cityproof"
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Tries == 0 {
		o.Tries = 3
	}
}

// Web gets files from a web server, below a base URL.
type Web struct {
	base   string // without a slash at the end
	client *http.Client
	opts   HTTPOptions
}

// NewWeb returns the files below base, for example "https://kanaalstad.example/log".
// Only loopback addresses may be spoken to without TLS.
func NewWeb(base string, opts HTTPOptions) (*Web, error) {
	u, err := parseBase(base)
	if err != nil {
		return nil, err
	}
	opts.setDefaults()
	w := &Web{base: u.String(), opts: opts}
	transport := opts.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 10 * time.Second, Control: onlyLoopback(u.Scheme)}).DialContext,
			TLSClientConfig:        tlsConfig(opts.TLS),
			TLSHandshakeTimeout:    10 * time.Second,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true, // decompressed here, where it is bounded
		}
	}
	w.client = &http.Client{Transport: transport, CheckRedirect: sameHost}
	return w, nil
}

// Beside returns the files below another base URL of the same server, over the same connections.
func (w *Web) Beside(base string) (*Web, error) {
	u, err := parseBase(base)
	if err != nil {
		return nil, err
	}
	if own, err := Server(w.base); err != nil || own != serverOf(u) {
		return nil, fmt.Errorf("%s and %s are two servers", base, w.base)
	}
	other := *w
	other.base = u.String()
	return &other, nil
}

// Server is the part of a base URL that names the server.
func Server(base string) (string, error) {
	u, err := parseBase(base)
	if err != nil {
		return "", err
	}
	return serverOf(u), nil
}

func serverOf(u *url.URL) string { return u.Scheme + "://" + u.Host }

// parseBase checks a base URL and takes the slashes off its end.
func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil {
		return nil, fmt.Errorf("reading address: %w", err)
	}
	switch {
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		return nil, fmt.Errorf("address %q: want for example https://kanaalstad.example", base)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("address %q: use https; http is only for this machine", base)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("address %q: want https", base)
	}
	return u, nil
}

// isLoopback reports whether a host names this machine without asking anybody.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// onlyLoopback keeps what is not encrypted on this machine, whatever the name was
// resolved to.
func onlyLoopback(scheme string) func(network, address string, _ syscall.RawConn) error {
	if scheme != "http" {
		return nil
	}
	return func(_, address string, _ syscall.RawConn) error {
		if host, _, err := net.SplitHostPort(address); err != nil || !isLoopback(host) {
			return fmt.Errorf("%s is not this machine: use https", address)
		}
		return nil
	}
}

func tlsConfig(c *tls.Config) *tls.Config {
	if c == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return c.Clone()
}

// sameHost lets redirects lead to other paths of the same server only: a log's
// files are where its address says, and a redirect elsewhere could make this
// machine knock at doors of its own network (threat T-41).
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		return fmt.Errorf("%w to %q", errRedirect, req.URL.Redacted())
	}
	if len(via) >= 5 {
		return fmt.Errorf("%w: too many", errRedirect)
	}
	return nil
}

var errRedirect = errors.New("redirect refused")

// secure reports whether the server is spoken to over TLS.
func (w *Web) secure() bool { return strings.HasPrefix(w.base, "https://") }

// host is the server's name without the port.
func (w *Web) host() string {
	u, err := url.Parse(w.base)
	if err != nil {
		return "" // it was made from a URL
	}
	return u.Hostname()
}

// String returns the base URL.
func (w *Web) String() string { return w.base }

// Close ends the connections that are kept open. The value must not be used again.
func (w *Web) Close() { w.client.CloseIdleConnections() }

// Get implements Getter. Trouble of the server or the network is tried again.
func (w *Web) Get(ctx context.Context, path string, limit int) ([]byte, error) {
	for try := 1; ; try++ {
		data, err := w.try(ctx, path, limit)
		var trouble *troubleError
		if err == nil || !errors.As(err, &trouble) || try >= w.opts.Tries {
			return data, err
		}
		if pause(ctx, backoff(try, trouble.retryAfter)) != nil {
			return nil, err
		}
	}
}

// troubleError is worth another try.
type troubleError struct {
	from, path string
	retryAfter time.Duration
	err        error
}

func (e *troubleError) Error() string {
	cause := e.err
	if u := (*url.Error)(nil); errors.As(cause, &u) {
		cause = u.Err // the address stands here already
	}
	return fmt.Sprintf("reading %s from %s: %v", e.path, e.from, cause)
}
func (e *troubleError) Unwrap() error { return e.err }

func (w *Web) try(ctx context.Context, path string, limit int) ([]byte, error) {
	fail := func(err error) error { return &troubleError{from: w.base, path: path, err: err} }
	ctx, cancel := context.WithTimeout(ctx, w.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+"/"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("reading %s from %s: %w", path, w.base, err)
	}
	req.Header.Set("User-Agent", w.opts.UserAgent)
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := w.client.Do(req)
	if errors.Is(err, errRedirect) {
		return nil, fmt.Errorf("reading %s from %s: %w", path, w.base, err)
	}
	if err != nil {
		return nil, fail(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		data, err := readBody(resp, limit)
		if errors.Is(err, errTooLarge) || errors.Is(err, errEncoding) {
			return nil, &DamagedError{From: w.base, Path: path, Err: err}
		}
		if err != nil {
			return nil, fail(err)
		}
		return data, nil
	case http.StatusNotFound:
		return nil, &NotFoundError{From: w.base, Path: path}
	case http.StatusGone:
		answer, err := readBody(resp, maxGone)
		if err != nil {
			answer = nil // an answer that can't be read is no proof of anything
		}
		return nil, &GoneError{From: w.base, Path: path, Answer: answer}
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return nil, &troubleError{w.base, path, retryAfter(resp), fmt.Errorf("the server answers %d", resp.StatusCode)}
	}
	return nil, fmt.Errorf("reading %s from %s: the server answers %d", path, w.base, resp.StatusCode)
}

var errEncoding = errors.New("its content encoding can't be read")

// readBody reads an answer, compressed or not. An endless run of gzip members that
// hold nothing is bounded by what comes over the line.
func readBody(resp *http.Response, limit int) ([]byte, error) {
	switch encoding := resp.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return readAll(resp.Body, limit)
	case "gzip":
		wire := &boundedReader{r: resp.Body, left: int64(limit) + 64<<10}
		gz, err := gzip.NewReader(wire)
		if err != nil {
			return nil, gzipError(err)
		}
		data, err := readAll(gz, limit)
		return data, gzipError(err)
	default:
		return nil, fmt.Errorf("%w: %q", errEncoding, encoding)
	}
}

// gzipError tells bytes that are no gzip from a line that broke.
func gzipError(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return fmt.Errorf("%w: %w", errEncoding, err)
	}
	return err
}

// boundedReader fails where io.LimitReader would pretend that the stream ends.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// maxGone bounds the answer to a request for something erased: the receipt of a
// notice, in base64 inside JSON.
const maxGone = 2 * (declaration.MaxBody + declaration.MaxEntry + checkpoint.MaxNoteSize)

// maxPause is the longest that a client waits on a server's word.
const maxPause = 30 * time.Second

func retryAfter(resp *http.Response) time.Duration {
	seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// backoff is how long to wait after a failed try: what the server asks for, or
// 250 ms that double, each with some chance so that many clients don't come back
// at once.
func backoff(try int, asked time.Duration) time.Duration {
	d := max(asked, 250*time.Millisecond<<min(try-1, 6))
	return min(d+rand.N(d/4+1), maxPause) //nolint:gosec // spreads clients in time: nothing to guess
}

// pause waits for d, or returns ctx's error if it ends before.
func pause(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return context.DeadlineExceeded // waiting would only lose the caller's time
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// below returns the files of a folder below w's, over the same connections.
func (w *Web) below(dir string) *Web {
	return &Web{base: w.base + "/" + dir, client: w.client, opts: w.opts}
}
