package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// confirm asks a person. It returns an error unless they, or --yes, say yes. why is what --yes answers for; kept says what is
// the case where they say no.
func (a *App) confirm(yes bool, question, why, kept string) error {
	if yes {
		return nil
	}
	if !a.Terminal {
		return usage(errors.New("nobody is here to confirm"), "give --yes if this is meant; "+why)
	}
	fmt.Fprint(a.Out, question+" [y/N] ")
	answer, err := bufio.NewReader(io.LimitReader(a.In, 1<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return refused(errors.New("not confirmed"), kept)
}
