package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/testenv"
)

const member = "members:\n  - city: jp-tsukuba\n    url: https://tsukuba.example\n"

func TestDefaults(t *testing.T) {
	c, err := config.Parse([]byte(member), "/srv/node")
	if err != nil {
		t.Fatal(err)
	}
	m := c.Members[0]
	if m.Data != "/srv/node/data" || m.State != "/srv/node/state" || m.Trust != "/srv/node/trust.json" || c.HTTP.Listen != "127.0.0.1:8080" {
		t.Errorf("defaults: %+v", c)
	}
	if origin, err := m.Origin(); err != nil || origin != "tsukuba.example/log" {
		t.Errorf("Origin = %q, %v", origin, err)
	}
	m.LogName = "log-2"
	if origin, err := m.Origin(); err != nil || origin != "tsukuba.example/log-2" {
		t.Errorf("Origin = %q, %v", origin, err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":             {"", "members"},
		"unknown key":         {member + "htpp:\n  listen: x\n", "4"},
		"unknown inner key":   {member + "    keyz: {}\n", "keyz"},
		"repeated key":        {member + "members: []\n", "4"},
		"city":                {"members:\n  - city: Tsukuba\n    url: https://tsukuba.example\n", "members[0].city"},
		"url":                 {"members:\n  - city: jp-tsukuba\n    url: tsukuba.example\n", "url"},
		"log_name":            {member + "    log_name: a/b\n", "log_name"},
		"base_path":           {member + "    base_path: x/\n", "base_path"},
		"state in data":       {member + "    data: d\n    state: d/state\n", "state"},
		"city twice":          {member + "  - city: jp-tsukuba\n    url: https://tsukuba.example\n    base_path: /b\n    data: d\n    state: s\n", "members[1].city"},
		"certificate, no key": {member + "tls:\n  certificate: a\n", "tls"},
		"two kinds of TLS":    {member + "tls:\n  certificate: a\n  key: b\n  autocert:\n    hosts: [a.example]\n    cache: c\n", "either"},
		"autocert, no cache":  {member + "tls:\n  autocert:\n    hosts: [a.example]\n", "cache"},
		"log.format":          {member + "log:\n  format: xml\n", "log.format"},
		"log.level":           {member + "log:\n  level: loud\n", "log.level"},
		"http.listen":         {member + "http:\n  listen: here\n", "http.listen"},
		"T41 debug":           {member + "debug:\n  listen: 0.0.0.0:6060\n", "debug.listen"},
		"T41 trillian":        {member + "    trillian:\n      listen: 192.0.2.1:90\n", "trillian.listen"},
		"duration":            {member + "limits:\n  request_timeout: soon\n", "duration"},
		"no key of a log":     {member + extraLogs("other.example/witness", checkpoint.TypeEd25519Cosignature), "no key of a log"},
		"its own log":         {member + extraLogs("tsukuba.example/log", checkpoint.TypeEd25519), "this node's own log"},
		"a log twice":         {member + extraLogs("other.example/log", checkpoint.TypeEd25519, checkpoint.TypeEd25519), "twice"},
		"no vkey":             {member + "witness:\n  extra_logs: [other.example/log]\n", "witness.extra_logs[0]"},
		"negative limit":      {member + "limits:\n  connections: -1\n", "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := config.Parse([]byte(tc.text), "/srv"); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Parse: %v, want %q in it", err, tc.want)
			}
		})
	}
}

// extraLogs is a configuration with verifier keys of these types, all of one key.
func extraLogs(name string, types ...checkpoint.KeyType) string {
	text := "witness:\n  extra_logs:\n"
	for _, typ := range types {
		key, err := checkpoint.NewVKey(name, typ, alliancetest.Public("a log"))
		if err != nil {
			panic(err)
		}
		text += "    - " + checkpoint.FormatVKey(key) + "\n"
	}
	return text
}

func TestExtraLogsAreRead(t *testing.T) {
	c, err := config.Parse([]byte(member+extraLogs("other.example/log", checkpoint.TypeEd25519)), "/srv")
	if err != nil || len(c.Witness.ExtraLogs) != 1 || c.Members[0].Keys.Witness != "/srv/keys/witness.key" {
		t.Errorf("Parse = %+v, %v", c, err)
	}
}

func TestExampleNamesEveryField(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testenv.Root(t), "deploy", "node.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Parse(b, "/srv"); err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	named(t, reflect.TypeFor[config.Config](), tree, "")
}

// named wants a key in the tree for each field of typ.
func named(t *testing.T, typ reflect.Type, tree any, path string) {
	t.Helper()
	if typ.Kind() == reflect.Slice {
		list, ok := tree.([]any)
		if !ok {
			t.Errorf("%s is no list", path)
		} else if typ.Elem().Kind() == reflect.Struct && len(list) > 0 {
			named(t, typ.Elem(), list[0], path+"[0]")
		}
		return
	}
	if typ.Kind() != reflect.Struct {
		return
	}
	m, ok := tree.(map[string]any)
	if !ok {
		t.Errorf("%s is no mapping", path)
		return
	}
	for f := range typ.Fields() {
		key := f.Tag.Get("yaml")
		v, ok := m[key]
		if !ok {
			t.Errorf("the example does not name %s.%s", path, key)
			continue
		}
		named(t, f.Type, v, path+"."+key)
	}
}

func TestMirrorBoundsHaveDefaults(t *testing.T) {
	const member = "members:\n  - city: nl-kanaalstad\n    url: https://kanaalstad.example\n"
	c, err := config.Parse([]byte(member+"mirror:\n  max_disk_bytes: 5\n"), "/x")
	if err != nil || c.Mirror.MaxDiskBytes != 5 || c.Mirror.DailyBytesPerLog != 4<<30 || c.Mirror.MaxBytesPerSecond != 32<<20 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := config.Parse([]byte(member+"mirror:\n  max_disk_bytes: -5\n"), "/x"); err == nil {
		t.Error("a negative bound is taken")
	}
}
