package client

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/receipt"
)

// Options say which node, and whom to believe.
type Options struct {
	// Node is the base URL of a city's node, for example
	// "https://kanaalstad.example". It may be empty if GRPC is given.
	Node string
	// GRPC is the host and port of the gRPC service; empty: the node is asked.
	GRPC string
	// City is the member meant where a node hosts several; empty: what the node at
	// Node says of itself.
	City string
	// Trust says which keys the log and its publishers have. Nil: answers are
	// checked against the node's own keys, and say so.
	Trust *receipt.Trust
	// TLS is for both transports; default: the system's roots. Only loopback
	// addresses are spoken to without TLS.
	TLS *tls.Config
	// UserAgent names the program; default "cityproof".
	UserAgent string
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Client talks to one log at one node. It is safe for concurrent use.
type Client struct {
	opts Options
	web  *Web   // nil without Options.Node
	addr string // of gRPC, host:port
	conn *grpc.ClientConn
	rpc  ledgerv1.LedgerServiceClient
	keys *keys
	info Info
}

// Deadlines of one try of one call.
const (
	readTimeout    = 30 * time.Second
	publishTimeout = time.Minute
	streamTimeout  = 10 * time.Minute // 64 MiB over a slow line
)

// maxAnswer bounds one answer over gRPC. The largest is a page of declarations.
const maxAnswer = 16 << 20

// Dial asks a node which log it has and where it takes declarations, and connects
// to it. Close the client after use.
func Dial(ctx context.Context, opts Options) (_ *Client, err error) {
	if opts.UserAgent == "" {
		opts.UserAgent = "cityproof"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Client{opts: opts}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	addr, secure := opts.GRPC, true
	var resp *ledgerv1.GetLogResponse
	if opts.Node != "" {
		if c.web, err = NewWeb(opts.Node, HTTPOptions{TLS: opts.TLS, UserAgent: opts.UserAgent}); err != nil {
			return nil, err
		}
		if resp, err = c.askWeb(ctx); err != nil {
			return nil, err
		}
		if addr == "" {
			if addr, err = c.discovered(resp); err != nil {
				return nil, err
			}
		}
		secure = c.web.secure()
	}
	if err := c.connect(addr, secure); err != nil {
		return nil, err
	}
	if resp == nil {
		if resp, err = c.askRPC(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.learn(resp); err != nil {
		return nil, fmt.Errorf("asking %s which log it has: %w", c.String(), err)
	}
	return c, nil
}

// String names the node for a person.
func (c *Client) String() string {
	if c.opts.Node != "" {
		return c.opts.Node
	}
	return c.opts.GRPC
}

// Close ends all connections.
func (c *Client) Close() {
	if c.web != nil {
		c.web.Close()
	}
	if c.conn != nil {
		_ = c.conn.Close() // it only says that it was closed before
	}
}

// askWeb reads GetLog's answer from its REST twin, before gRPC's address is known.
func (c *Client) askWeb(ctx context.Context) (*ledgerv1.GetLogResponse, error) {
	data, err := c.web.Get(ctx, "api/v1/log", 256<<10)
	if err != nil {
		return nil, fmt.Errorf("asking which log it has: %w", err)
	}
	resp := &ledgerv1.GetLogResponse{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, resp); err != nil {
		return nil, fmt.Errorf("asking %s which log it has: %w", c.web, err)
	}
	return resp, nil
}

func (c *Client) askRPC(ctx context.Context) (*ledgerv1.GetLogResponse, error) {
	return call(ctx, c, readTimeout, "which log it has", c.rpc.GetLog, &ledgerv1.GetLogRequest{})
}

// discovered is the gRPC address that a node says it has. One elsewhere may not
// send this machine to a port of its own (threat T-41).
func (c *Client) discovered(resp *ledgerv1.GetLogResponse) (string, error) {
	host, _, err := net.SplitHostPort(resp.GetGrpcAddr())
	if err != nil {
		return "", fmt.Errorf("%s does not say where it takes declarations (gRPC): give its address", c.web)
	}
	if isLoopback(host) && !isLoopback(c.web.host()) {
		return "", fmt.Errorf("%s says that it takes declarations at %q, which is this machine: give its real address", c.web, printable(resp.GetGrpcAddr()))
	}
	return resp.GetGrpcAddr(), nil
}

// connect prepares the gRPC connection; nothing is sent yet.
func (c *Client) connect(addr string, secure bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("reading gRPC address %q: want host:port, for example kanaalstad.example:8443", printable(addr))
	}
	creds := credentials.NewTLS(tlsConfig(c.opts.TLS))
	if isLoopback(host) && (c.opts.Node == "" || !secure) && c.opts.TLS == nil {
		creds = insecure.NewCredentials()
	}
	c.conn, err = grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(creds),
		grpc.WithUserAgent(c.opts.UserAgent),
		grpc.WithDisableServiceConfig(), // retries are ours: see call
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithMaxHeaderListSize(64<<10),
	)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", addr, err)
	}
	c.addr, c.rpc = addr, ledgerv1.NewLedgerServiceClient(c.conn)
	return nil
}

// Info is what a node says of its log. Only Origin and VKeys are checked against a
// trust file, where there is one.
type Info struct {
	Origin string
	City   string
	VKeys  []string // that must all sign a checkpoint
	Limits Limits
	// Skew is by how much the node's clock is ahead of ours; a round trip is in it.
	Skew       time.Duration
	Version    string
	ReadOnly   string // why it takes no declarations; empty: it does
	Publishers []ed25519.PublicKey
	GRPC       string // host:port
	// Earlier are the logs from which it goes on.
	Earlier []receipt.Earlier
	// Trusted says that the keys are those of a trust file, not the node's word.
	Trusted bool
}

// Limits of a node, in bytes or numbers, never above this program's own.
type Limits struct {
	Entry, Body, Attachment     int
	BatchStatements, BatchBytes int
}

// Our own limits (federation.md, section 8), for a node that names none or dreams.
var ownLimits = Limits{
	Entry: declaration.MaxEntry, Body: declaration.MaxBody, Attachment: declaration.MaxAttachment,
	BatchStatements: 2000, BatchBytes: 64 << 20,
}

func limits(l *ledgerv1.Limits) Limits {
	bound := func(said uint32, own int) int {
		if said == 0 {
			return own
		}
		return min(int(said), own)
	}
	return Limits{
		Entry: bound(l.GetEntryBytes(), ownLimits.Entry), Body: bound(l.GetBodyBytes(), ownLimits.Body),
		Attachment:      bound(l.GetAttachmentBytes(), ownLimits.Attachment),
		BatchStatements: bound(l.GetBatchStatements(), ownLimits.BatchStatements),
		BatchBytes:      bound(l.GetBatchBytes(), ownLimits.BatchBytes),
	}
}

// learn takes what a node says of its log, and decides what answers are checked
// against.
func (c *Client) learn(resp *ledgerv1.GetLogResponse) error {
	info, err := c.readInfo(resp)
	if err != nil {
		return err
	}
	k := &keys{origin: info.Origin, city: info.City}
	if t := c.opts.Trust; t != nil {
		if t.Origin != info.Origin {
			return fmt.Errorf("it is %q, but the trust file is for %q", info.Origin, t.Origin)
		}
		if t.City != "" && t.City != info.City {
			return fmt.Errorf("it is %s's, but the trust file says %s's", info.City, t.City)
		}
		k.publisher, k.log, k.originAt = t.Publisher, t.Log, t.OriginAt
	} else {
		k.originAt = (&receipt.Trust{Origin: info.Origin, Earlier: info.Earlier}).OriginAt
		for _, vkey := range info.VKeys {
			v, err := checkpoint.ParseVerifier(vkey)
			if err != nil {
				return err
			}
			k.log = append(k.log, v)
		}
	}
	c.keys, c.info = k, *info
	return nil
}

func (c *Client) readInfo(resp *ledgerv1.GetLogResponse) (*Info, error) {
	info := &Info{
		Origin: resp.GetOrigin(), City: resp.GetCity(), VKeys: resp.GetLogVkeys(), Limits: limits(resp.GetLimits()),
		Skew:    time.Unix(resp.GetNow(), 0).Sub(c.opts.Now().Truncate(time.Second)),
		Version: printable(resp.GetVersion()), ReadOnly: printable(resp.GetReadOnly()),
		GRPC: c.addr, Trusted: c.opts.Trust != nil,
	}
	if err := errors.Join(declaration.CheckOrigin(info.Origin), declaration.CheckMemberID(info.City)); err != nil {
		return nil, err
	}
	if c.opts.City != "" && c.opts.City != info.City {
		return nil, fmt.Errorf("it is the log of %s, not of %s", info.City, c.opts.City)
	}
	if len(info.VKeys) == 0 || len(info.VKeys) > checkpoint.MaxSignatures {
		return nil, fmt.Errorf("it names %d log keys", len(info.VKeys))
	}
	for _, e := range resp.GetEarlier() {
		if err := declaration.CheckOrigin(e.GetOrigin()); err != nil {
			return nil, fmt.Errorf("it goes on from a log: %w", err)
		}
		info.Earlier = append(info.Earlier, receipt.Earlier{Origin: e.GetOrigin(), Size: e.GetSize()})
	}
	for _, key := range resp.GetPublishers() {
		if len(key) != ed25519.PublicKeySize {
			return nil, errors.New("it names a publisher key that is none")
		}
		info.Publishers = append(info.Publishers, key)
	}
	return info, nil
}

// Log asks the node again what it says of its log. The origin and the keys may not
// have changed since Dial.
func (c *Client) Log(ctx context.Context) (*Info, error) {
	resp, err := c.askRPC(ctx)
	if err != nil {
		return nil, err
	}
	info, err := c.readInfo(resp)
	if err != nil {
		return nil, &UnverifiedError{"its log", err}
	}
	if info.Origin != c.info.Origin || info.City != c.info.City {
		return nil, &UnverifiedError{"its log", fmt.Errorf("it was %s a moment ago", c.info.Origin)}
	}
	return info, nil
}

// Known returns what the node said of its log at Dial.
func (c *Client) Known() Info { return c.info }

// Files returns a reader of the log's static files. It needs Options.Node.
func (c *Client) Files() (*LogReader, error) {
	if c.web == nil {
		return nil, errors.New("no web address of the node is known: give it")
	}
	return NewLogReader(c.web.below("log")), nil
}

// cityKey is the metadata key by which a node with several members knows which one
// is meant (package grpcapi).
const cityKey = "cityproof-city"

// outgoing adds to ctx what every call carries.
func (c *Client) outgoing(ctx context.Context) context.Context {
	city := c.opts.City
	if city == "" {
		city = c.info.City
	}
	if city == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, cityKey, city)
}

// tries of a call that a busy or unreachable node answers.
const tries = 5

// call makes a call with a deadline. While the node is busy or out of reach the
// same request is sent again: every method here may be repeated, publishing too,
// because a node answers a repeat with the first index.
func call[Q, A any](ctx context.Context, c *Client, timeout time.Duration, what string,
	method func(context.Context, Q, ...grpc.CallOption) (A, error), req Q,
) (A, error) {
	return again(ctx, func() (A, error) {
		bounded, cancel := context.WithTimeout(c.outgoing(ctx), timeout)
		defer cancel()
		resp, err := method(bounded, req)
		if err != nil {
			return resp, fmt.Errorf("asking %s for %s: %w", c, what, nodeError(err, 0))
		}
		return resp, nil
	})
}

// again tries until it works, the trouble is not the moment's, or the tries or the
// caller's time are used up.
func again[A any](ctx context.Context, try func() (A, error)) (A, error) {
	for n := 1; ; n++ {
		resp, err := try()
		after, temporary := worthRetry(err)
		if err == nil || !temporary || n == tries || after > maxPause {
			return resp, err
		}
		if stop := pause(ctx, backoff(n, after)); stop != nil {
			return resp, fmt.Errorf("%w: %w", stop, err)
		}
	}
}
