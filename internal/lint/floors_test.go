package lint

// roof is the floor of the commands: above every package.
const roof = 6

// row says where one package stands.
type row struct {
	floor int
	path  string
	// allow lists what floor 0 is refused elsewhere and this package may use, each with its reason in
	// a comment: an import path, "sync" for sync.Once and its kind, or "go" for goroutines.
	allow []string
}

// floors is the table of ARCHITECTURE.md. A package imports its own floor or below; where a lower floor has to
// call up, it declares a small interface and node plugs in the value. api/ is generated and usable everywhere,
// internal/testenv only from tests, internal/lint from nowhere.
var floors = []row{
	// Floor 0: arithmetic on bytes.
	{floor: 0, path: "internal/canonical"},
	{floor: 0, path: "internal/declaration",
		allow: []string{"sync"}}, // the codec's field tables are derived from the protos once, when first asked for
	{floor: 0, path: "internal/publication",
		allow: []string{"sync"}}, // the checks of each field are derived from the protos once, when first asked for
	{floor: 0, path: "internal/draft"},
	{floor: 0, path: "internal/shorthand"},
	{floor: 0, path: "internal/vocabulary",
		allow: []string{"sync", "io/fs"}}, // an embedded list is parsed once, when first asked for; io/fs reads the embedded lists
	{floor: 0, path: "internal/checkpoint",
		allow: []string{"crypto/rand"}}, // crypto.Signer asks for a source of randomness, and an HSM may use it
	{floor: 0, path: "internal/tile"},
	{floor: 0, path: "internal/proof"},
	{floor: 0, path: "internal/receipt"},
	{floor: 0, path: "internal/act",
		allow: []string{"sync"}}, // the codecs are derived from the protos once, when first asked for
	{floor: 0, path: "internal/entry"},
	{floor: 0, path: "internal/root"},
	{floor: 0, path: "internal/evidence"},
	{floor: 0, path: "internal/logtime"},
	{floor: 0, path: "internal/roster",
		allow: []string{"sync"}}, // the codecs are derived from the protos once, when first asked for
	{floor: 0, path: "internal/authority",
		allow: []string{"sync"}}, // as roster

	// Floor 1: one store, key file or fact of the machine each.
	{floor: 1, path: "internal/buildinfo"},
	{floor: 1, path: "internal/pebbledb"},
	{floor: 1, path: "internal/logstore"},
	{floor: 1, path: "internal/bodystore"},
	{floor: 1, path: "internal/entrystore"},
	{floor: 1, path: "internal/evidencestore"},
	{floor: 1, path: "internal/peerstore"},
	{floor: 1, path: "internal/recheck"},
	{floor: 1, path: "internal/mirrorstore"},
	{floor: 1, path: "internal/signingkey"},

	// Floor 2: a log, and what talks to one.
	{floor: 2, path: "internal/ledger"},
	{floor: 2, path: "internal/client"},
	{floor: 2, path: "internal/scrub"},
	{floor: 2, path: "internal/alliancetest"}, // for tests only: it answers as nodes do

	// Floor 3: what compares logs.
	{floor: 3, path: "internal/audit"},
	{floor: 3, path: "internal/watch"},
	{floor: 3, path: "internal/witness"},
	{floor: 3, path: "internal/cosigning"},
	{floor: 3, path: "internal/registry"},
	{floor: 3, path: "internal/mirror"},
	{floor: 3, path: "internal/recovery"},
	{floor: 3, path: "internal/gossip"},

	// Floor 4: surfaces.
	{floor: 4, path: "internal/gossipnet"},
	{floor: 4, path: "internal/grpcapi"},
	{floor: 4, path: "internal/priority"},
	{floor: 4, path: "internal/tileserver"},
	{floor: 4, path: "internal/trillianapi"},

	// Floor 5: what puts the parts together. node is the only place where concrete parts meet.
	{floor: 5, path: "internal/node"},
	{floor: 5, path: "internal/config"},
	{floor: 5, path: "internal/telemetry"},
	{floor: 5, path: "internal/cli"},
	{floor: 5, path: "internal/importer"},
	{floor: 5, path: "internal/demo"},

	{floor: roof, path: "cmd/cityproof-node"},
	{floor: roof, path: "cmd/cityproof"},
}

// testOnly lists the packages that product code may not import.
var testOnly = []string{"internal/testenv", "internal/alliancetest", "internal/lint"}

// refusedOnFloor0 maps what floor 0 may not import to the reason. A path ending in "/" stands for all below it.
var refusedOnFloor0 = map[string]string{
	"os":           "floor 0 reads no files; take bytes or an io.Reader",
	"os/":          "floor 0 starts no programs",
	"io/fs":        "floor 0 reads no files; take bytes or an io.Reader",
	"io/ioutil":    "floor 0 reads no files; take bytes or an io.Reader",
	"net":          "floor 0 opens no sockets",
	"net/http":     "floor 0 opens no sockets",
	"net/http/":    "floor 0 opens no sockets",
	"log":          "floor 0 does not log; return an error",
	"log/":         "floor 0 does not log; return an error",
	"sync":         "floor 0 shares no state between goroutines",
	"sync/":        "floor 0 shares no state between goroutines",
	"math/rand":    "floor 0 gives the same bytes every time; take the random value as an argument",
	"math/rand/":   "floor 0 gives the same bytes every time; take the random value as an argument",
	"crypto/rand":  "floor 0 gives the same bytes every time; take the random value as an argument",
	"runtime/":     "floor 0 does not look at the machine it runs on",
	"syscall":      "floor 0 does not look at the machine it runs on",
	"unsafe":       "floor 0 is the trust root; every line of it can be checked by reading",
	"testing":      "product code does not import testing",
	"testing/":     "product code does not import testing",
	"database/sql": "floor 0 opens no database",
}

// clockCalls are the functions of package time that read or wait for a clock.
var clockCalls = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// heavyForCommand are what cmd/cityproof may not link, with all below them.
var heavyForCommand = []string{
	"github.com/cockroachdb/pebble", "github.com/google/trillian",
	module + "internal/pebbledb", module + "internal/logstore", module + "internal/bodystore", module + "internal/ledger", module + "internal/scrub",
	module + "internal/node", module + "internal/grpcapi", module + "internal/tileserver", module + "internal/trillianapi",
}
