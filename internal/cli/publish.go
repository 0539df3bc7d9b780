package cli

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
	"github.com/cityproof/cityproof/internal/signingkey"
)

func (a *App) publish() *cobra.Command {
	var p publisher
	cmd := &cobra.Command{
		Use:   "publish FILE|DIR…",
		Short: "Sign declarations and put them into the city's log",
		Long: `Reads declarations (shorthand, or the long form that validate --expand and import
write), checks them, shows what will be published, signs and sends them, and writes
a receipt beside each file. The records of one file are published all or nothing.

After a lost connection run the same command again: what was signed lies in
NAME.pending and is sent again, byte for byte.`,
		Example: "  cityproof publish plaza-cameras.yaml\n  cityproof publish drafts.jsonl --yes",
		Args:    cobra.MinimumNArgs(1),
	}
	p.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.runPublish(cmd.Context(), &p, args[0], func(ws shorthand.Workspace) ([]*source, error) { return load(args, ws) })
	}
	return cmd
}

// publisher is one run of a verb that publishes.
type publisher struct {
	connection
	keyFlags
	yes      bool
	final    bool
	finality finality

	client *client.Client
	key    *signingkey.Key
	ws     shorthand.Workspace
}

func (p *publisher) flags(cmd *cobra.Command) {
	p.connection.flags(cmd)
	p.keyFlags.flags(cmd)
	cmd.Flags().BoolVar(&p.yes, "yes", false, "do not ask before publishing")
	cmd.Flags().BoolVar(&p.final, "final", false, "wait until committee and mirrors have cosigned, and put that into the receipts")
	p.finality.flags(cmd)
}

// runPublish is what every publishing verb does once it is told where to find what
// it publishes. near is a file or folder whose workspace counts.
func (a *App) runPublish(ctx context.Context, p *publisher, near string, read func(shorthand.Workspace) ([]*source, error)) error {
	var err error
	if p.ws, err = findWorkspace(p.workspace, folderOf(near)); err != nil {
		return err
	}
	sources, err := read(p.ws)
	if err != nil {
		return err
	}
	if p.key, err = a.openKey(p.keyFlags); err != nil {
		return err
	}
	p.alliance = p.finality.decision
	if p.client, err = a.dial(ctx, p.connection, p.ws); err != nil {
		return err
	}
	defer p.client.Close()
	if why := p.client.Known().ReadOnly; why != "" {
		return unknown(fmt.Errorf("the node takes no declarations: %s", why), "its operator must look; nothing was sent")
	}
	if skew := p.client.Known().Skew; skew.Abs() > maxSkew {
		return usage(fmt.Errorf("this computer's clock is %v away from the node's", skew.Abs().Round(1e9)),
			"set the clock: a declaration says when it was made, and the node refuses one that is off by 5 minutes")
	}
	jobs, err := a.prepare(ctx, p, sources)
	if err != nil {
		return err
	}
	if err := a.confirmPublishing(p, jobs); err != nil {
		return err
	}
	return a.sendAll(ctx, p, jobs)
}

// maxSkew leaves a minute for signing and sending below the five of rule V-07.
const maxSkew = 4 * 60 * 1e9

// job is a source on its way into the log.
type job struct {
	*source
	left *pending       // what an earlier run has signed; nil: nothing
	rest []*draft.Draft // what is still to be signed

	receipts []string // files that were written
}

func (j *job) pendingFile() string { return j.name + ".pending" }

// resume takes up what an earlier run left of this source, for a log.
func (j *job) resume(log string) (err error) {
	if j.left, err = readPending(j.pendingFile()); err != nil || j.left == nil {
		return err
	}
	for i, r := range j.left.Records {
		if i >= len(j.drafts) || j.drafts[i].Nickname() != "" && j.drafts[i].Nickname() != r.Name {
			return usage(fmt.Errorf("%s was changed after a run that %s remembers", j.file, j.pendingFile()),
				"put the records back into their order and run again, or look with cityproof show what is in the log, then remove "+j.pendingFile())
		}
	}
	for _, r := range j.left.Records[j.left.Done:] {
		signed, err := declaration.ParseSigned(r.Envelope)
		if err != nil {
			return fmt.Errorf("%s: %w", j.pendingFile(), err)
		}
		if signed.Statement.Log != log {
			return usage(fmt.Errorf("%s was signed for the log %s, and this is %s", j.pendingFile(), signed.Statement.Log, log),
				"the city's log has moved, or this is another city's node; look with cityproof show what is in the log, then remove "+j.pendingFile())
		}
	}
	j.rest = j.drafts[len(j.left.Records):]
	return nil
}

// prepare brings drafts up to date with the log (amendments), numbers them, and
// checks them with the rules that need only the record.
func (a *App) prepare(ctx context.Context, p *publisher, sources []*source) ([]*job, error) {
	var jobs []*job
	var failed int
	reg := &registry{ctx: ctx, client: p.client}
	for _, s := range sources {
		j := &job{source: s, rest: s.drafts}
		written := len(s.drafts) // an amendment's notice is added below
		if err := j.resume(p.client.Known().Origin); err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
		unsigned := len(j.rest)
		var err error
		if j.rest, err = a.applyAmendments(ctx, p, s, j.rest); err != nil {
			return nil, err
		}
		j.drafts = slices.Concat(j.drafts[:written-unsigned], j.rest)
		if err := draft.Number(j.rest, reg); err != nil {
			return nil, err
		}
		reg.earlier.add(j.rest)
		failed += a.printFailures(s, checkDrafts(j.rest, p.client.Known().City, a.Now()))
	}
	if failed > 0 {
		a.say("%d to fix before publishing. Nothing was published.", failed)
		return nil, &shown{exitFalse}
	}
	return jobs, nil
}

// confirm shows what will be published and asks.
func (a *App) confirmPublishing(p *publisher, jobs []*job) error {
	a.say("Will publish %s as %s, signed by key %q:", summary(jobs), p.client.Known().City, p.key.Label)
	const few = 12
	shownSoFar := 0
	for _, j := range jobs {
		if j.left != nil && j.left.Done < len(j.left.Records) {
			a.say("  %s: signed by an earlier run; the same bytes are sent again", j.pendingFile())
			if j.left.Source != sourceHash(j.data) {
				a.say("  %s was changed since then: amend the record if the change should count", j.file)
			}
		}
		for _, d := range j.rest {
			if shownSoFar++; shownSoFar <= few {
				a.say("  %s", describe(d))
			}
		}
	}
	if shownSoFar > few {
		a.say("  … and %d more", shownSoFar-few)
	}
	return a.confirm(p.yes, "Published words can't be unsaid, only amended. Publish?",
		"published words can't be unsaid, only amended", "nothing was published")
}

func summary(jobs []*job) string {
	n := 0
	for _, j := range jobs {
		n += len(j.rest)
		if j.left != nil {
			n += len(j.left.Records) - j.left.Done
		}
	}
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

// describe is one draft in one line: number, nickname, what happens to it.
func describe(d *draft.Draft) string {
	what := map[declaration.Operation]string{
		declaration.Publish: "new", declaration.Amend: "amended", declaration.Withdraw: "withdrawn", declaration.Reinstate: "reinstated",
	}[d.Operation]
	name := d.Nickname()
	if name == "" {
		name = string(d.Kind())
	}
	if d.Provenance.Imported() {
		what += ", imported: labelled and not scored"
	}
	return fmt.Sprintf("%s %s (%s)", d.Subject, line(name), what)
}

func (a *App) sendAll(ctx context.Context, p *publisher, jobs []*job) error {
	report, end := a.progress("publishing")
	defer end()
	total, done := uint64(0), uint64(0)
	for _, j := range jobs {
		total += uint64(max(len(j.drafts), 1))
	}
	var first, last uint64
	receipts := 0
	for _, j := range jobs {
		before := done
		placed, err := a.send(ctx, p, j, func(n int) {
			done = before + uint64(n) //nolint:gosec // not negative
			report(done, total)
		})
		for i, pl := range placed {
			if receipts+i == 0 || pl.Index < first {
				first = pl.Index
			}
			last = max(last, pl.Index)
		}
		receipts += len(placed)
		if err != nil {
			end()
			if receipts > 0 {
				a.say("%d records are in the log with their receipts; then it stopped.", receipts)
			}
			return a.explain(j, err)
		}
	}
	end()
	switch {
	case receipts == 1:
		a.say("In the log: entry %d.", first)
	case receipts > 1:
		a.say("In the log: %d records, entries %d-%d.", receipts, first, last)
	}
	for i, j := range jobs {
		if i == 5 && len(jobs) > 6 {
			a.say("… and %d more", len(jobs)-i)
			break
		}
		a.say("Receipt %s", j.name+".receipt")
	}
	if !p.final {
		return nil
	}
	var files []string
	for _, j := range jobs {
		files = append(files, j.receipts...)
	}
	return a.finalise(ctx, p.client, &p.finality, files)
}

// explain shows a node's word on the rules at the lines of the file.
func (a *App) explain(j *job, err error) error {
	var rules *client.RuleError
	if !errors.As(err, &rules) {
		return err
	}
	n := a.printFailures(j.source, fromNode(j.drafts[j.left.Done:], rules))
	if rules.Omitted > 0 {
		a.say("The node found %d more, and did not say what.", rules.Omitted)
		n += rules.Omitted
	}
	a.say("%d to fix before publishing. Of this batch nothing was published.", n)
	return &shown{exitFalse}
}

func (p *publisher) signer() crypto.Signer { return p.key.Signer() }
