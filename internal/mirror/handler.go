package mirror

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/cityproof/cityproof/internal/bodystore"
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
	mux.HandleFunc("GET "+base+"/mirror/{origin}/bodies/{hash}", h.body)
}

// serve finds the log and the tile that a request names, within the head that was cosigned.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, path string, answer func(http.ResponseWriter, *http.Request, *mirrorstore.Log, tile.ID) error) {
	open(w)
	origin, err := hex.DecodeString(r.PathValue("origin"))
	if err != nil || len(origin) != sha256.Size {
		http.Error(w, "want SHA-256 of an origin in hexadecimal", http.StatusNotFound)
		return
	}
	id, err := tile.ParsePath(path)
	if err != nil {
		http.Error(w, "no such tile: "+err.Error(), http.StatusBadRequest)
		return
	}
	log, err := h.mirror.opts.Store.Find([sha256.Size]byte(origin))
	if err == nil && log == nil {
		http.Error(w, "this node keeps no copy of that log", http.StatusNotFound)
		return
	}
	if err == nil {
		if size, _ := log.Head(); !id.Within(size) {
			w.Header().Set("Cache-Control", fresh) // it may come
			http.Error(w, "beyond the end of this copy", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		err = answer(w, r, log, id)
	}
	if err != nil && r.Context().Err() == nil {
		h.logger.Error("reading a mirrored log for a visitor", slog.String("path", r.URL.Path), slog.Any("err", err))
		http.Error(w, "this node can't read that now", http.StatusInternalServerError)
	}
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
		_, _ = w.Write(b)
		return nil
	}
	hashes, err := log.Tile(r.Context(), id.Level, id.Index, id.Width)
	if err != nil {
		return err
	}
	_, _ = w.Write(tile.AppendTile(nil, hashes))
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
	_, _ = w.Write(entry.Bundled(entries, func(f entry.File) []byte {
		body, err := h.mirror.opts.Store.Body(f.Sum)
		if err != nil {
			return nil
		}
		return body
	}))
	return nil
}

func (h *Handler) body(w http.ResponseWriter, r *http.Request) {
	open(w)
	sum, err := hex.DecodeString(r.PathValue("hash"))
	if err != nil || len(sum) != sha256.Size || strings.ToLower(r.PathValue("hash")) != r.PathValue("hash") {
		http.Error(w, "want a SHA-256 as 64 lower-case hexadecimal digits", http.StatusBadRequest)
		return
	}
	b, err := h.mirror.opts.Store.Body([sha256.Size]byte(sum))
	switch {
	case errors.Is(err, bodystore.ErrNotFound):
		http.Error(w, "this node keeps no such body", http.StatusNotFound)
		return
	case err != nil:
		h.logger.Error("reading a mirrored body for a visitor", slog.Any("err", err))
		http.Error(w, "this node can't read that now", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=3600") // it may be erased
	_, _ = w.Write(b)
}
