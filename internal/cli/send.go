package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/receipt"
)

// maxRaces bounds how often a batch is numbered and signed again because others
// were faster.
const maxRaces = 8

// send puts one source into the log and writes its receipts. told is given how
// many of its records are done.
//
// What is signed lies in NAME.pending before it is sent, one run of records after
// the other, so a later run goes on where this one stopped.
func (a *App) send(ctx context.Context, p *publisher, j *job, told func(int)) ([]client.Placed, error) {
	if err := a.upload(ctx, p, j); err != nil {
		return nil, err
	}
	signed := j.left
	if signed == nil {
		signed = &pending{Version: pendingVersion, Node: p.client.String(), Source: sourceHash(j.data)}
		j.left = signed
	}
	var all []client.Placed
	next := chunks(j.rest, maxChunk)
	for race := 0; ; {
		if signed.Done == len(signed.Records) {
			if len(next) == 0 {
				return all, os.Remove(j.pendingFile())
			}
			if err := a.sign(ctx, p, j, signed, next[0]); err != nil {
				return all, err
			}
		}
		placed, err := a.sendSigned(ctx, p, j, signed)
		all = append(all, placed...)
		told(len(all))
		switch {
		case err == nil && len(next) > 0 && signed.Done == len(signed.Records):
			if signed.of == nil { // left over from an earlier run
				continue
			}
			next, race, signed.of = next[1:], 0, nil
		case err != nil:
			if race++; race > maxRaces || !a.lostNumber(signed, err) {
				return all, a.giveBack(j, signed, err)
			}
			signed.Records = signed.Records[:signed.Done]
		}
	}
}

// lostNumber reports whether err is a race lost about a number, which signing
// again mends; a record that somebody else has changed an officer must look at.
func (a *App) lostNumber(signed *pending, err error) bool {
	var stale *client.StaleError
	return errors.As(err, &stale) && stale.Submission < len(signed.of) && signed.of[stale.Submission].Operation == declaration.Publish
}

// giveBack leaves NAME.pending as the next run needs it. What the node refused
// will never be published in these bytes, so it is dropped; what may have got
// through stays.
func (a *App) giveBack(j *job, signed *pending, err error) error {
	var stale *client.StaleError
	var rules *client.RuleError
	if errors.As(err, &stale) || errors.As(err, &rules) {
		signed.Records = signed.Records[:signed.Done]
	}
	if len(signed.Records) == 0 {
		return errors.Join(err, os.Remove(j.pendingFile()))
	}
	return errors.Join(err, signed.write(j.pendingFile()))
}

// sign signs drafts as they stand now and adds them to the pending file.
func (a *App) sign(ctx context.Context, p *publisher, j *job, signed *pending, drafts []*draft.Draft) error {
	info := p.client.Known()
	// Again, now that all before it is in the log: the numbers that were shown are
	// wrong by now if somebody else was faster.
	if err := draft.Number(drafts, &registry{ctx: ctx, client: p.client}); err != nil {
		return err
	}
	for _, d := range drafts {
		place := draft.Place{Log: info.Origin, City: info.City, Revision: 1}
		if d.Operation != declaration.Publish {
			newest, err := p.client.Newest(ctx, d.Subject.String(), "")
			if err != nil {
				return err
			}
			place.Revision, place.Previous = newest.Statement.Revision+1, newest.Hash
		}
		var nonce [16]byte
		if _, err := io.ReadFull(a.Rand, nonce[:]); err != nil {
			return fmt.Errorf("making a nonce: %w", err)
		}
		sub, err := draft.Seal(d, place, nonce, a.Now(), p.signer())
		if err != nil {
			return err
		}
		signed.Records = append(signed.Records, pendingItem{Name: recordName(d), Envelope: sub.Envelope, Body: sub.Body})
	}
	signed.of = drafts
	return signed.write(j.pendingFile())
}

// recordName is how a record is called among its file's records.
func recordName(d *draft.Draft) string {
	if n := d.Nickname(); n != "" {
		return n
	}
	return fmt.Sprintf("%s-%d", d.Subject.Kind.Prefix(), d.Subject.Number)
}

// sendSigned sends what is signed and not done, and writes a receipt for each.
func (a *App) sendSigned(ctx context.Context, p *publisher, j *job, signed *pending) ([]client.Placed, error) {
	out, err := p.client.Publish(ctx, signed.submissions(signed.Done, len(signed.Records)))
	if out == nil {
		return nil, err
	}
	a.printWarnings(signed, out.Warnings)
	if werr := writeReceipts(j, signed, out.Placed); werr != nil {
		return out.Placed, errors.Join(err, werr)
	}
	signed.Done += len(out.Placed)
	return out.Placed, err
}

// writeReceipts writes NAME.receipt for a file's first record. The others' go
// beside it as NAME.RECORD.receipt, or, where there are many, into NAME.receipts/.
func writeReceipts(j *job, signed *pending, placed []client.Placed) error {
	for i, pl := range placed {
		b, err := receipt.New(pl.Envelope, pl.Raw, pl.Index, pl.Path, pl.Checkpoint).Format()
		if err != nil {
			return fmt.Errorf("writing receipt: %w", err)
		}
		path := j.receiptFile(signed.Done+i, signed.Records[signed.Done+i].Name, pl.Statement.Subject)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // receipts are made to be handed on
			return fmt.Errorf("writing receipt: %w", err)
		}
		if err := writeFile(path, b); err != nil {
			return fmt.Errorf("writing receipt: %w", err)
		}
		j.receipts = append(j.receipts, path)
	}
	return nil
}

// fewRecords is up to how many records a file's receipts lie beside it.
const fewRecords = 20

func (j *job) receiptFile(n int, record string, s declaration.Subject) string {
	switch {
	case n == 0:
		return j.name + ".receipt"
	case len(j.drafts) > fewRecords:
		return filepath.Join(j.name+".receipts", fmt.Sprintf("%s-%d.receipt", s.Kind.Prefix(), s.Number))
	}
	return j.name + "." + record + ".receipt"
}

// upload sends the files that the drafts name and the node doesn't have.
func (a *App) upload(ctx context.Context, p *publisher, j *job) error {
	for _, d := range j.rest {
		for _, f := range d.Files {
			data, err := j.files.ReadFile(f.Name)
			if err != nil {
				return fmt.Errorf("reading attachment: %w", err)
			}
			if _, err := p.client.UploadAttachment(ctx, bytes.NewReader(data), f.Size, f.SHA256, p.signer()); err != nil {
				return err
			}
		}
	}
	return nil
}
