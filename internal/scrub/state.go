package scrub

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/cityproof/cityproof/internal/pebbledb"
)

// The stages of a cycle, in their order.
const (
	stageEntries = "entries"
	stageTiles   = "tiles"
	stageKeys    = "keys"
	stageDone    = "done" // waits for the end of the period
)

// position is how far a cycle has come: what is next.
type position struct {
	Stage string `json:"stage"`
	Next  uint64 `json:"next,omitempty"`  // bundle, or tile of the level
	Level int    `json:"level,omitempty"` // of tiles, from 1
	Key   []byte `json:"key,omitempty"`   // in the stage of keys
}

// saved is what outlives a restart: the value of saveKey, JSON.
type saved struct {
	Began    time.Time `json:"began"`             // of the cycle
	Size     uint64    `json:"size"`              // of the log when the cycle began: what is newer was checked when it was signed
	At       position  `json:"at"`                // what is next
	Bytes    uint64    `json:"bytes"`             // read in this cycle
	Complete time.Time `json:"complete,omitzero"` // end of the last whole cycle
	Damaged  [][]byte  `json:"damaged,omitempty"` // keys
}

var saveKey = append([]byte{pebbledb.PrefixMeta}, "scrub"...)

// load reads what was saved. What can't be read is as good as nothing: the cycle begins anew.
func (s *Scrubber) load() {
	var got saved
	value, err := s.DB.Noted(saveKey)
	if err == nil && value == nil {
		return
	}
	if err == nil {
		err = json.Unmarshal(value, &got)
	}
	if err == nil {
		err = got.At.check()
	}
	if err != nil {
		s.Logger.Warn("scrub begins anew: its place can't be read", slog.Any("err", err))
		return
	}
	s.saved = got
	for _, key := range got.Damaged {
		if len(key) > 0 {
			s.Damages.FoundKey(key, fmt.Sprintf("key %c %x, found before the last start", key[0], key[1:]))
		}
	}
}

func (p position) check() error {
	switch {
	case p.Stage == stageEntries, p.Stage == stageDone:
		return nil
	case p.Stage == stageTiles && p.Level >= 1 && p.Level <= maxLevel:
		return nil
	case p.Stage == stageKeys && len(p.Key) > 0:
		return nil
	}
	return fmt.Errorf("there is no place %+v", p)
}

// save keeps the place. It may get lost in a crash: then a little is read twice.
func (s *Scrubber) save() {
	s.saved.Damaged = s.Damages.keys()
	value, err := json.Marshal(s.saved)
	if err == nil {
		err = s.DB.Note(saveKey, value)
	}
	if err != nil { // a database that has halted says so itself
		s.Logger.Debug("scrub can't keep its place", slog.Any("err", err))
	}
	s.lastSave = time.Now()
}
