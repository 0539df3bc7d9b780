package tileserver

import (
	"compress/gzip"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/tile"
)

const (
	immutable = "public, max-age=31536000, immutable"
	fresh     = "public, max-age=2" // checkpoint: "a few seconds at most"
)

// Handler serves /log/… of one log.
type Handler struct {
	ledger *ledger.Ledger
	logger *slog.Logger
}

// New returns the handler of a log's static files.
func New(l *ledger.Ledger, logger *slog.Logger) *Handler { return &Handler{l, logger} }

// Routes adds the handler's paths to mux, each behind base ("" or "/path").
func (h *Handler) Routes(mux *http.ServeMux, base string) {
	mux.HandleFunc("GET "+base+"/log/checkpoint", h.checkpoint)
	mux.HandleFunc("GET "+base+"/log/final", h.final)
	mux.HandleFunc("GET "+base+"/log/tile/", func(w http.ResponseWriter, r *http.Request) {
		h.tile(w, r, strings.TrimPrefix(r.URL.Path, base+"/log/"))
	})
	mux.HandleFunc("GET "+base+"/log/bodies/bundle/", func(w http.ResponseWriter, r *http.Request) {
		h.bodies(w, r, "tile/entries/"+strings.TrimPrefix(r.URL.Path, base+"/log/bodies/bundle/"))
	})
	mux.HandleFunc("GET "+base+"/log/bodies/{hash}", h.body)
	mux.HandleFunc("GET "+base+"/log/attachments/{hash}", h.attachment)
}

// open lets pages of any origin read: verifiers in a browser come from anywhere,
// and all this is public.
func open(w http.ResponseWriter) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
}

func (h *Handler) checkpoint(w http.ResponseWriter, _ *http.Request) {
	open(w)
	p := h.ledger.Published()
	if p == nil {
		http.Error(w, "no checkpoint is published yet", http.StatusServiceUnavailable)
		return
	}
	serveNote(w, p)
}

// final serves the newest head that the committee and mirrors made final.
func (h *Handler) final(w http.ResponseWriter, _ *http.Request) {
	open(w)
	p := h.ledger.Final()
	if p == nil {
		http.Error(w, "no head of this log is final", http.StatusNotFound)
		return
	}
	serveNote(w, p)
}

func serveNote(w http.ResponseWriter, p *ledger.Published) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", fresh)
	_, _ = w.Write(p.Note)
}

func (h *Handler) tile(w http.ResponseWriter, r *http.Request, path string) {
	open(w)
	id, err := tile.ParsePath(path)
	if err != nil {
		http.Error(w, "no such tile: "+err.Error(), http.StatusBadRequest)
		return
	}
	data, err := h.ledger.Tile(r.Context(), id)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", immutable)
	if id.Entries { // hash tiles don't compress
		writeCompressed(w, r, data)
		return
	}
	_, _ = w.Write(data) //nolint:gosec // never shown as a page: octet-stream or JSON, nosniff, sandboxed
}

func (h *Handler) body(w http.ResponseWriter, r *http.Request) {
	open(w)
	hash, ok := parseHash(w, r)
	if !ok {
		return
	}
	data, err := h.ledger.Body(hash)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=3600") // it may be erased
	writeCompressed(w, r, data)
}

// bodies serves the bodies of an entry bundle at once, for mirrors.
func (h *Handler) bodies(w http.ResponseWriter, r *http.Request, path string) {
	open(w)
	id, err := tile.ParsePath(path)
	if err != nil {
		http.Error(w, "no such bundle: "+err.Error(), http.StatusBadRequest)
		return
	}
	data, err := h.ledger.Tile(r.Context(), id)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	entries, err := tile.ParseBundle(data, id.Width)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", fresh) // a body may be erased
	files := entry.Bundled(entries, func(f entry.File) []byte {
		body, err := h.ledger.Body(f.Sum)
		if err != nil {
			return nil // who wants it asks for it by its hash, and is told why
		}
		return body
	})
	_, _ = w.Write(files) //nolint:gosec // never shown as a page: octet-stream, nosniff, sandboxed
}

func (h *Handler) attachment(w http.ResponseWriter, r *http.Request) {
	open(w)
	hash, ok := parseHash(w, r)
	if !ok {
		return
	}
	data, err := h.ledger.Attachment(hash)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	// A file that somebody uploaded is never shown as a page of this host.
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+hex.EncodeToString(hash[:8])+`"`)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(data)
}

func parseHash(w http.ResponseWriter, r *http.Request) (hash [32]byte, ok bool) {
	s := r.PathValue("hash")
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(hash) || hex.EncodeToString(b) != s {
		http.Error(w, "want a SHA-256 as 64 lower-case hexadecimal digits", http.StatusBadRequest)
		return hash, false
	}
	return [32]byte(b), true
}

func writeCompressed(w http.ResponseWriter, r *http.Request, data []byte) {
	w.Header().Set("Vary", "Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(data) //nolint:gosec // never shown as a page: octet-stream or JSON, nosniff, sandboxed
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	gz := gzip.NewWriter(w)
	_, _ = gz.Write(data)
	_ = gz.Close()
}

func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var notFound *ledger.NotFoundError
	var erased *ledger.ErasedError
	switch {
	case errors.As(err, &notFound):
		w.Header().Set("Cache-Control", fresh) // it may come
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.As(err, &erased):
		h.gone(w, r, erased)
	case r.Context().Err() != nil: // the visitor went away
	default:
		h.logger.Error("reading the log for a visitor", slog.String("origin", h.ledger.Origin()), slog.Any("err", err))
		http.Error(w, "this node can't read that now", http.StatusInternalServerError)
	}
}

// gone answers a request for something erased with the receipt file of the notice
// that says so: without one that verifies, a 410 means no more than "missing". The
// file goes out as it is, for a receipt wrapped in other JSON is none.
func (h *Handler) gone(w http.ResponseWriter, r *http.Request, erased *ledger.ErasedError) {
	rc, err := h.ledger.Receipt(r.Context(), erased.Notice)
	if err != nil {
		h.logger.Error("reading an erasure notice", slog.String("origin", h.ledger.Origin()), slog.Uint64("index", erased.Notice), slog.Any("err", err))
		http.Error(w, "erased, but its notice can't be read now", http.StatusInternalServerError)
		return
	}
	file, err := receipt.New(rc.Envelope, rc.Body, rc.Index, rc.Path, rc.Note).Format()
	if err != nil {
		h.logger.Error("writing an erasure notice", slog.String("origin", h.ledger.Origin()), slog.Uint64("index", erased.Notice), slog.Any("err", err))
		http.Error(w, "erased, but its notice can't be written now", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusGone)
	_, _ = w.Write(file)
}
