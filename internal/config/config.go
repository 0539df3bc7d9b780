package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
)

// Config is a node's configuration. deploy/node.example.yaml shows every field
// with its meaning, default and what breaks if it is wrong.
type Config struct {
	Members []Member `yaml:"members"`
	HTTP    Listen   `yaml:"http"`
	GRPC    GRPC     `yaml:"grpc"`
	TLS     TLS      `yaml:"tls"`
	Debug   Listen   `yaml:"debug"`
	Log     Log      `yaml:"log"`
	Limits  Limits   `yaml:"limits"`
	Scrub   Scrub    `yaml:"scrub"`
	Mirror  Mirror   `yaml:"mirror"`
	Witness Witness  `yaml:"witness"`
	Anchor  Anchor   `yaml:"anchor"`
	Peers   Peers    `yaml:"peers"`
	Alerts  Alerts   `yaml:"alerts"`
}

// Member is one city whose log this node runs; usually there is one.
type Member struct {
	City string `yaml:"city"`
	URL  string `yaml:"url"`
	// LogName is the last part of the log's origin; empty: log. Another one is for a registry that goes on in a new log after
	// its keys signed two histories (internal/root/FORMAT.md).
	LogName  string `yaml:"log_name"`
	BasePath string `yaml:"base_path"`
	Data     string `yaml:"data"`
	State    string `yaml:"state"`
	Mirror   string `yaml:"mirror"`
	Trust    string `yaml:"trust"`
	// Root is root.json of the alliance that the city is a member of; empty: of none.
	Root     string `yaml:"root"`
	Keys     Keys   `yaml:"keys"`
	Trillian Listen `yaml:"trillian"`
}

// Keys are paths of key files.
type Keys struct {
	LogEd25519 string `yaml:"log_ed25519"`
	LogMLDSA44 string `yaml:"log_mldsa44"`
	// NextLogEd25519 and NextLogMLDSA44 take over when the alliance's registry says so; empty: none will.
	NextLogEd25519 string `yaml:"next_log_ed25519"`
	NextLogMLDSA44 string `yaml:"next_log_mldsa44"`
	Witness        string `yaml:"witness"`
	Mirror         string `yaml:"mirror"`
	// NextWitness and NextMirror cosign beside the keys whose place they take when an epoch begins; empty: none do.
	NextWitness    string `yaml:"next_witness"`
	NextMirror     string `yaml:"next_mirror"`
	Node           string `yaml:"node"`
	TLS            string `yaml:"tls"`
	PassphraseFile string `yaml:"passphrase_file"`
}

// Listen is an address to listen on; empty: not at all.
type Listen struct {
	Listen string `yaml:"listen"`
}

// GRPC is the gRPC surface.
type GRPC struct {
	Listen string `yaml:"listen"`
	// Public is the host and port under which others reach it.
	Public string `yaml:"public"`
}

// TLS is how the public ports are encrypted: files, autocert, or neither where a
// proxy stands in front.
type TLS struct {
	Certificate string   `yaml:"certificate"`
	Key         string   `yaml:"key"`
	Autocert    Autocert `yaml:"autocert"`
}

// Autocert gets certificates by ACME.
type Autocert struct {
	Hosts []string `yaml:"hosts"`
	Cache string   `yaml:"cache"`
	Email string   `yaml:"email"`
}

// Log is how the node logs.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Limits bound what one publisher and all readers may ask for.
type Limits struct {
	StatementsPerHour int      `yaml:"statements_per_hour"`
	BytesPerDay       int64    `yaml:"bytes_per_day"`
	Connections       int      `yaml:"connections"`
	RequestTimeout    Duration `yaml:"request_timeout"`
}

// Scrub is how the node reads again, all the time, what it has stored.
type Scrub struct {
	// Period is how long it takes to read everything once; Off: it doesn't.
	Period            Period `yaml:"period"`
	MaxBytesPerSecond int64  `yaml:"max_bytes_per_second"`
}

// Mirror bounds what the copies of other members' logs may take; 0 means the default.
type Mirror struct {
	// DailyBytesPerLog is how much the copy of one log may grow in a day (UTC).
	DailyBytesPerLog int64 `yaml:"daily_bytes_per_log"`
	// MaxDiskBytes is how much all copies may take on the disk.
	MaxDiskBytes int64 `yaml:"max_disk_bytes"`
	// MaxBytesPerSecond is how fast they are fetched, all together.
	MaxBytesPerSecond int64 `yaml:"max_bytes_per_second"`
}

// Witness is whose logs this node's witnesses cosign.
type Witness struct {
	// ExtraLogs are verifier keys of logs outside the alliance. All keys of one origin must sign.
	ExtraLogs []string `yaml:"extra_logs"`
}

// Anchor is how often a log writes down its newest final head: that is its clock and its heartbeat.
type Anchor struct {
	Interval Duration `yaml:"interval"`
}

// Peers is how this node reaches the other members of the alliance.
type Peers struct {
	// AllowPrivate lets it connect to addresses of this machine and of private networks.
	AllowPrivate bool `yaml:"allow_private"`
	// Poll is how often it asks for the registry's news.
	Poll Duration `yaml:"poll"`
	// Gossip is how often it exchanges with three others what it knows of all logs.
	Gossip Duration `yaml:"gossip"`
}

// Alerts are the ways to wake the operator when there is evidence against a log or witness.
type Alerts struct {
	Webhook string   `yaml:"webhook"`
	Command []string `yaml:"command"`
	Mail    Mail     `yaml:"mail"`
}

// Mail is a mail server that takes mails without a password, and who gets them.
type Mail struct {
	Server string   `yaml:"server"`
	From   string   `yaml:"from"`
	To     []string `yaml:"to"`
}

// Period is a time.Duration of at least a second, written as in "24h", or Off,
// written "off". 0 is not set.
type Period time.Duration

// Off is the Period of what never happens.
const Off Period = -1

// UnmarshalYAML implements yaml.BytesUnmarshaler.
func (p *Period) UnmarshalYAML(b []byte) error {
	s := strings.Trim(strings.TrimSpace(string(b)), `"'`)
	if s == "off" {
		*p = Off
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < time.Second {
		return fmt.Errorf("%q is no period: want for example 24h, at least 1s, or off", b)
	}
	*p = Period(v)
	return nil
}

// Duration is a time.Duration written as in "30s".
type Duration time.Duration

// UnmarshalYAML implements yaml.BytesUnmarshaler.
func (d *Duration) UnmarshalYAML(b []byte) error {
	v, err := time.ParseDuration(strings.Trim(strings.TrimSpace(string(b)), `"'`))
	if err != nil {
		return fmt.Errorf("%q is no duration: want for example 30s", b)
	}
	*d = Duration(v)
	return nil
}

// maxFile bounds the configuration file, in bytes.
const maxFile = 1 << 20

// Load reads and checks a configuration file and makes its paths absolute.
func Load(file string) (*Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("reading configuration %s: larger than %d bytes", file, maxFile)
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	c, err := Parse(b, dir)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", file, err)
	}
	return c, nil
}

// Parse reads a configuration whose relative paths start at dir.
func Parse(b []byte, dir string) (*Config, error) {
	c := &Config{}
	if err := yaml.UnmarshalWithOptions(b, c, yaml.Strict(), yaml.DisallowUnknownField()); err != nil {
		return nil, errors.New(strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	c.setDefaults()
	c.resolve(dir)
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) setDefaults() {
	set(&c.HTTP.Listen, "127.0.0.1:8080")
	set(&c.GRPC.Listen, "127.0.0.1:9090")
	set(&c.GRPC.Public, c.GRPC.Listen)
	set(&c.Log.Level, "info")
	set(&c.Log.Format, "text")
	if c.Limits.Connections == 0 {
		c.Limits.Connections = 4096
	}
	if c.Limits.RequestTimeout == 0 {
		c.Limits.RequestTimeout = Duration(30 * time.Second)
	}
	if c.Scrub.Period == 0 {
		c.Scrub.Period = Period(24 * time.Hour)
	}
	if c.Scrub.MaxBytesPerSecond == 0 {
		c.Scrub.MaxBytesPerSecond = 32 << 20
	}
	if c.Mirror.DailyBytesPerLog == 0 {
		c.Mirror.DailyBytesPerLog = 4 << 30
	}
	if c.Mirror.MaxDiskBytes == 0 {
		c.Mirror.MaxDiskBytes = 100 << 30
	}
	if c.Mirror.MaxBytesPerSecond == 0 {
		c.Mirror.MaxBytesPerSecond = 32 << 20
	}
	if c.Anchor.Interval == 0 {
		c.Anchor.Interval = Duration(time.Hour)
	}
	if c.Peers.Gossip == 0 {
		c.Peers.Gossip = Duration(10 * time.Second)
	}
	if c.Peers.Poll == 0 {
		c.Peers.Poll = Duration(10 * time.Second)
	}
	for i := range c.Members {
		m := &c.Members[i]
		set(&m.Data, "data")
		set(&m.State, "state")
		set(&m.Mirror, "mirror")
		set(&m.Trust, "trust.json")
		set(&m.Keys.LogEd25519, "keys/log-ed25519.key")
		set(&m.Keys.LogMLDSA44, "keys/log-mldsa44.key")
		set(&m.Keys.Witness, "keys/witness.key")
		set(&m.Keys.Mirror, "keys/mirror.key")
		set(&m.Keys.Node, "keys/node.key")
		set(&m.Keys.TLS, "keys/tls.key")
	}
}

func set(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

func (c *Config) resolve(dir string) {
	paths := []*string{&c.TLS.Certificate, &c.TLS.Key, &c.TLS.Autocert.Cache}
	for i := range c.Members {
		m := &c.Members[i]
		paths = append(paths, &m.Data, &m.State, &m.Mirror, &m.Trust, &m.Root, &m.Keys.LogEd25519, &m.Keys.LogMLDSA44, &m.Keys.NextLogEd25519, &m.Keys.NextLogMLDSA44, &m.Keys.Witness, &m.Keys.Mirror, &m.Keys.NextWitness, &m.Keys.NextMirror, &m.Keys.Node, &m.Keys.TLS, &m.Keys.PassphraseFile)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}

func (c *Config) check() error {
	if len(c.Members) == 0 {
		return errors.New("members: there must be at least one")
	}
	seen := map[string]string{}
	for i, m := range c.Members {
		where := fmt.Sprintf("members[%d]", i)
		if err := m.check(); err != nil {
			return fmt.Errorf("%s.%w", where, err)
		}
		for _, f := range []struct{ what, value, sort string }{
			{"city", m.City, "city"}, {"base_path", m.BasePath, "path"}, {"data", m.Data, "folder"}, {"state", m.State, "folder"}, {"mirror", m.Mirror, "folder"},
		} {
			if other, ok := seen[f.sort+" "+f.value]; ok {
				return fmt.Errorf("%s.%s: %q is %s's already", where, f.what, f.value, other)
			}
			seen[f.sort+" "+f.value] = where
		}
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		return errors.New("tls: certificate and key go together")
	}
	if c.TLS.Certificate != "" && len(c.TLS.Autocert.Hosts) > 0 {
		return errors.New("tls: either certificate files or autocert")
	}
	if len(c.TLS.Autocert.Hosts) > 0 && c.TLS.Autocert.Cache == "" {
		return errors.New("tls.autocert.cache: name a folder, or certificates are asked for anew at each start")
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		return fmt.Errorf("log.format: %q is neither text nor json", c.Log.Format)
	}
	if _, err := c.Log.level(); err != nil {
		return err
	}
	if c.Limits.StatementsPerHour < 0 || c.Limits.BytesPerDay < 0 || c.Limits.Connections < 0 || c.Limits.RequestTimeout < 0 {
		return errors.New("limits: none may be negative; 0 means the default")
	}
	if c.Scrub.MaxBytesPerSecond < 0 {
		return errors.New("scrub.max_bytes_per_second: it may not be negative; 0 means the default")
	}
	if c.Mirror.DailyBytesPerLog < 0 || c.Mirror.MaxDiskBytes < 0 || c.Mirror.MaxBytesPerSecond < 0 {
		return errors.New("mirror: no bound may be negative; 0 means the default")
	}
	if c.Anchor.Interval < Duration(time.Second) || c.Peers.Poll < Duration(100*time.Millisecond) || c.Peers.Gossip < Duration(100*time.Millisecond) {
		return errors.New("anchor.interval is at least 1s, peers.poll and peers.gossip at least 100ms")
	}
	if err := c.checkExtraLogs(); err != nil {
		return fmt.Errorf("witness.extra_logs%w", err)
	}
	return c.checkListeners()
}

func (c *Config) checkExtraLogs() error {
	own := map[string]bool{}
	for _, m := range c.Members {
		origin, err := m.Origin()
		if err != nil {
			return err
		}
		own[origin] = true
	}
	seen := map[string]bool{}
	for i, text := range c.Witness.ExtraLogs {
		key, err := checkpoint.ParseVKey(text)
		if err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
		switch {
		case key.Type != checkpoint.TypeEd25519 && key.Type != checkpoint.TypeMLDSA44:
			return fmt.Errorf("[%d]: %v is no key of a log", i, key)
		case own[key.Name]:
			return fmt.Errorf("[%d]: %s is this node's own log, which others witness", i, key.Name)
		case seen[string(key.Key)]:
			return fmt.Errorf("[%d]: %v is there twice", i, key)
		}
		seen[string(key.Key)] = true
	}
	return nil
}

func (c *Config) checkListeners() error {
	for what, addr := range map[string]string{"http.listen": c.HTTP.Listen, "grpc.listen": c.GRPC.Listen, "grpc.public": c.GRPC.Public} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("%s: %q is no address: want host:port", what, addr)
		}
	}
	private := map[string]string{"debug.listen": c.Debug.Listen}
	for i, m := range c.Members {
		private[fmt.Sprintf("members[%d].trillian.listen", i)] = m.Trillian.Listen
	}
	for what, addr := range private {
		if err := checkPrivate(addr); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// checkPrivate refuses addresses that others could reach (threats T-41, F18).
func checkPrivate(addr string) error {
	if addr == "" || strings.HasPrefix(addr, "unix:") {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is no address: want unix:PATH or 127.0.0.1:PORT", addr)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%q can be reached by others: want unix:PATH or 127.0.0.1:PORT", addr)
	}
	return nil
}

func (m *Member) check() error {
	if err := declaration.CheckMemberID(m.City); err != nil {
		return fmt.Errorf("city: %w", err)
	}
	if _, err := m.Origin(); err != nil {
		return err
	}
	if m.BasePath != "" && (!strings.HasPrefix(m.BasePath, "/") || strings.HasSuffix(m.BasePath, "/")) {
		return fmt.Errorf("base_path: %q must begin with / and not end with it", m.BasePath)
	}
	if sub, err := filepath.Rel(m.Data, m.State); err == nil && sub != ".." && !strings.HasPrefix(sub, "../") {
		return errors.New("state: it must not lie in data: what must never roll back may not be copied or restored with it")
	}
	return nil
}

// Origin is the log's name: the URL without scheme, and /log or what LogName says.
func (m *Member) Origin() (string, error) {
	u, err := url.Parse(m.URL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("url: %q: want the public address, for example https://tsukuba.example", m.URL)
	}
	origin := strings.TrimSuffix(u.Host+u.EscapedPath(), "/") + "/" + cmp.Or(m.LogName, "log")
	if err := declaration.CheckOrigin(origin); err != nil {
		return "", fmt.Errorf("url: %w", err)
	}
	if strings.Trim(m.LogName, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", fmt.Errorf("log_name: %q: want letters, digits and hyphens, like log-2", m.LogName)
	}
	return origin, nil
}
