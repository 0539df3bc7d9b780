package mirror

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"

	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/tile"
	"github.com/cityproof/cityproof/internal/witness"
)

const (
	immutable = "public, max-age=31536000, immutable"
	fresh     = "public, max-age=2"
)

// Handler serves the copies at /mirror/<origin hash>/…, in the layout of the logs themselves, and takes new heads.
type Handler struct {
	mirror *Mirror
	logger *slog.Logger
}

// NewHandler returns the handler of a mirror.
func NewHandler(m *Mirror, logger *slog.Logger) *Handler { return &Handler{m, logger} }

// Routes adds the handler's paths to mux, each behind base ("" or "/path").
func (h *Handler) Routes(mux *http.ServeMux, base string) {
	witness.NewHandler(h.mirror.Witness, h.logger).MirrorRoutes(mux, base)
	mux.HandleFunc("GET "+base+"/mirror/{origin}/tile/{path...}", func(w http.ResponseWriter, r *http.Request) {
		h.serve(w, r, "tile/"+r.PathValue("path"), h.tile)
	})
	mux.HandleFunc("GET "+base+"/mirror/{origin}/bodies/bundle/{path...}", func(w http.ResponseWriter, r *http.Request) {
		h.serve(w, r, "tile/entries/"+r.PathValue("path"), h.bodies)
	})
	mux.HandleFunc("GET "+base+"/mirror/{origin}/bodies/{hash}", func(w http.ResponseWriter, r *http.Request) {
		h.file(w, r, (*mirrorstore.Log).Body, "application/json")
	})
	mux.HandleFunc("GET "+base+"/mirror/{origin}/attachments/{hash}", func(w http.ResponseWriter, r *http.Request) {
		h.file(w, r, (*mirrorstore.Log).Attachment, "application/octet-stream")
	})
}

// serve finds the log and the tile that a request names, within what is held.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, path string, answer func(http.ResponseWriter, *http.Request, *mirrorstore.Log, tile.ID) error) {
	open(w)
	log, ok := h.log(w, r)
	if !ok {
		return
	}
	id, err := tile.ParsePath(path)
	if err != nil {
		http.Error(w, "no such tile: "+err.Error(), http.StatusBadRequest)
		return
	}
	if size, _ := log.Head(); !id.Within(size) {
		w.Header().Set("Cache-Control", fresh) // it may come
		http.Error(w, "beyond the end of this copy", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := answer(w, r, log, id); err != nil {
		h.fail(w, r, err)
	}
}

// log finds the log that a request names.
func (h *Handler) log(w http.ResponseWriter, r *http.Request) (*mirrorstore.Log, bool) {
	origin, ok := parseHash(r.PathValue("origin"))
	if !ok {
		http.Error(w, "want SHA-256 of an origin in hexadecimal", http.StatusNotFound)
		return nil, false
	}
	log, err := h.mirror.opts.Store.Find(origin)
	if err != nil {
		h.fail(w, r, err)
		return nil, false
	}
	if log == nil {
		http.Error(w, "this node keeps no copy of that log", http.StatusNotFound)
	}
	return log, log != nil
}

func parseHash(s string) (hash [sha256.Size]byte, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != sha256.Size || hex.EncodeToString(b) != s {
		return hash, false
	}
	return [sha256.Size]byte(b), true
}

// fail answers that something can't be read. What is damaged is never served: it is mended in its own time, and whoever
// asks goes to another mirror meanwhile.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Del("Cache-Control")
	var damaged *mirrorstore.DamagedError
	origin, _ := parseHash(r.PathValue("origin"))
	switch {
	case errors.As(err, &damaged):
		h.mirror.damages.add(origin, damaged)
	case r.Context().Err() != nil: // the visitor went away
		return
	default:
		h.logger.Error("reading a mirrored log for a visitor", slog.String("path", r.URL.Path), slog.Any("err", err))
	}
	http.Error(w, "this node can't read that now", http.StatusInternalServerError)
}

// open lets pages of any origin read: verifiers in a browser come from anywhere, and all this is public.
func open(w http.ResponseWriter) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
}

func (h *Handler) tile(w http.ResponseWriter, r *http.Request, log *mirrorstore.Log, id tile.ID) error {
	w.Header().Set("Cache-Control", immutable)
	if id.Entries {
		b, err := log.Bundle(id.Index, id.Width)
		if err != nil {
			return err
		}
		_, _ = w.Write(b) //nolint:gosec // never shown as a page: octet-stream, nosniff, sandboxed
		return nil
	}
	hashes, err := log.Tile(r.Context(), id.Level, id.Index, id.Width)
	if err != nil {
		return err
	}
	_, _ = w.Write(tile.AppendTile(nil, hashes)) //nolint:gosec // never shown as a page: octet-stream, nosniff, sandboxed
	return nil
}

func (h *Handler) bodies(w http.ResponseWriter, _ *http.Request, log *mirrorstore.Log, id tile.ID) error {
	b, err := log.Bundle(id.Index, id.Width)
	if err != nil {
		return err
	}
	entries, err := tile.ParseBundle(b, id.Width)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", fresh)
	files := entry.Bundled(entries, func(f entry.File) []byte {
		body, err := log.Body(f.Sum)
		if err != nil {
			return nil
		}
		return body
	})
	_, _ = w.Write(files) //nolint:gosec // never shown as a page: octet-stream, nosniff, sandboxed
	return nil
}

// file serves a body or an attachment by its hash.
func (h *Handler) file(w http.ResponseWriter, r *http.Request, get func(*mirrorstore.Log, [sha256.Size]byte) ([]byte, error), media string) {
	open(w)
	sum, ok := parseHash(r.PathValue("hash"))
	if !ok {
		http.Error(w, "want a SHA-256 as 64 lower-case hexadecimal digits", http.StatusBadRequest)
		return
	}
	log, ok := h.log(w, r)
	if !ok {
		return
	}
	b, err := get(log, sum)
	var erased *mirrorstore.ErasedError
	switch {
	case errors.As(err, &erased):
		h.gone(w, r, log, erased)
		return
	case errors.Is(err, mirrorstore.ErrNotFound):
		http.Error(w, "this node keeps no such file", http.StatusNotFound)
		return
	case err != nil:
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", media)
	if media == "application/octet-stream" { // what somebody uploaded is never shown as a page of this host
		w.Header().Set("Content-Disposition", `attachment; filename="`+hex.EncodeToString(sum[:8])+`"`)
	}
	w.Header().Set("Cache-Control", "public, max-age=3600") // it may be erased
	_, _ = w.Write(b)
}

// gone answers a request for something erased as the city's own node does: with the receipt of the notice that says so. While
// no cosigned head covers that, it is merely not here.
func (h *Handler) gone(w http.ResponseWriter, r *http.Request, log *mirrorstore.Log, erased *mirrorstore.ErasedError) {
	origin, _ := parseHash(r.PathValue("origin"))
	file, err := h.mirror.Notice(r.Context(), origin, log, erased.Notice)
	if errors.Is(err, mirrorstore.ErrNotFound) {
		w.Header().Set("Cache-Control", fresh)
		http.Error(w, "this node keeps no such file", http.StatusNotFound)
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusGone)
	_, _ = w.Write(file)
}
