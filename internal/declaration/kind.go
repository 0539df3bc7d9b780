package declaration

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cityproof/cityproof/internal/canonical"
)

// Kind is a kind of record: the name of its field in Body.record.
type Kind string

// The eight kinds of record.
const (
	Member     Kind = "member"
	Deployment Kind = "deployment"
	DataUse    Kind = "data_use"
	Assessment Kind = "assessment"
	Commitment Kind = "commitment"
	Service    Kind = "service"
	Notice     Kind = "notice"
	Finding    Kind = "finding"
)

// Kinds lists all kinds in the order of their fields in Body.
func Kinds() []Kind {
	return []Kind{Member, Deployment, DataUse, Assessment, Commitment, Service, Notice, Finding}
}

// Prefix is the kind's part of a subject, for example "dep"; empty for an
// unknown kind.
func (k Kind) Prefix() string {
	switch k {
	case Member:
		return "mem"
	case Deployment:
		return "dep"
	case DataUse:
		return "use"
	case Assessment:
		return "asm"
	case Commitment:
		return "com"
	case Service:
		return "svc"
	case Notice:
		return "not"
	case Finding:
		return "fin"
	}
	return ""
}

// KindByPrefix returns the kind whose subjects begin with prefix.
func KindByPrefix(prefix string) (Kind, error) {
	for _, k := range Kinds() {
		if k.Prefix() == prefix {
			return k, nil
		}
	}
	return "", fmt.Errorf("unknown kind of subject %s: want mem, dep, use, asm, com, svc, not or fin", canonical.Quote(prefix))
}

// maxSubjectNumber follows from the nine digits of the subject pattern.
const maxSubjectNumber = 999_999_999

// Subject is a thing that a city declares, stable and never reused: a kind and a
// number, so that no name can slip in. The zero value is no subject.
type Subject struct {
	Kind   Kind
	Number uint32 // 1 to 999,999,999
}

// ParseSubject reads a subject as in "dep/17":
// ^(mem|dep|use|asm|com|svc|not|fin)/[1-9][0-9]{0,8}$.
func ParseSubject(s string) (Subject, error) {
	prefix, number, ok := strings.Cut(s, "/")
	if !ok {
		return Subject{}, fmt.Errorf("%s is no subject: want for example dep/17", canonical.Quote(s))
	}
	kind, err := KindByPrefix(prefix)
	if err != nil {
		return Subject{}, err
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n == 0 || n > maxSubjectNumber || strconv.FormatUint(n, 10) != number {
		return Subject{}, fmt.Errorf("%s is no subject: the number must be 1 to %d", canonical.Quote(s), maxSubjectNumber)
	}
	return Subject{Kind: kind, Number: uint32(n)}, nil
}

func (s Subject) String() string {
	return s.Kind.Prefix() + "/" + strconv.FormatUint(uint64(s.Number), 10)
}

// IsZero reports whether s is no subject.
func (s Subject) IsZero() bool { return s == Subject{} }
