package grpcapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/registry"
)

// Acts are few, and judging one costs a copy of the roster: what strangers send may not take more than this.
const (
	actsPerSecond = 5
	actsAtOnce    = 20
)

// Registry implements registryv1.RegistryServiceServer over the door of a registry.
type Registry struct {
	registryv1.UnimplementedRegistryServiceServer
	door   *registry.Door
	limit  *rate.Limiter
	logger *slog.Logger
}

// NewRegistry returns the service of a registry's door.
func NewRegistry(door *registry.Door, logger *slog.Logger) *Registry {
	return &Registry{door: door, limit: rate.NewLimiter(actsPerSecond, actsAtOnce), logger: logger}
}

// SubmitAct implements registryv1.RegistryServiceServer.
func (s *Registry) SubmitAct(stream registryv1.RegistryService_SubmitActServer) error {
	if !s.limit.Allow() {
		return tooMany(errTooManyActs, time.Second)
	}
	act, files, err := receiveAct(stream)
	if err != nil {
		return toStatus(err, s.logger)
	}
	index, err := s.submit(stream.Context(), act, files)
	if err != nil {
		return toStatus(err, s.logger)
	}
	return stream.SendAndClose(&registryv1.SubmitActResponse{Index: index})
}

var errTooManyActs = errors.New("too many acts at once")

func (s *Registry) submit(ctx context.Context, act []byte, files [][]byte) (uint64, error) {
	e, err := entry.Parse(act)
	if err != nil {
		return 0, invalid("%v", err)
	}
	if e.Kind != entry.Act {
		return 0, invalid("it is a %v, not an act", e.Kind)
	}
	return s.door.Submit(ctx, act, files)
}

// receiveAct reads an act and the file that it may commit to.
func receiveAct(stream registryv1.RegistryService_SubmitActServer) (act []byte, files [][]byte, err error) {
	var file []byte
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		switch part := m.GetPart().(type) {
		case *registryv1.SubmitActRequest_Act:
			if act != nil || len(part.Act) > declaration.MaxEntry {
				return nil, nil, invalid("want one act of at most %d bytes, first", declaration.MaxEntry)
			}
			act = part.Act
		case *registryv1.SubmitActRequest_FileChunk:
			if act == nil || len(file)+len(part.FileChunk) > entry.MaxFile {
				return nil, nil, invalid("want the act first, and a file of at most %d bytes", entry.MaxFile)
			}
			file = append(file, part.FileChunk...)
		}
	}
	if act == nil {
		return nil, nil, invalid("there is no act")
	}
	if file != nil {
		files = [][]byte{file}
	}
	return act, files, nil
}
