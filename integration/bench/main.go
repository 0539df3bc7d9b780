package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what one run was asked to do.
type options struct {
	subjects []string
	leaves   int           // of the large log
	rounds   int           // how often everything is measured
	window   time.Duration // how long one rate is measured
	signed   int           // declarations signed beforehand for one window of the node
	over     int           // how many times its queue's capacity the node is offered at once; 0: not at all
	dir      string
	out      string
	profile  string // folder for the node's CPU profiles; empty: none
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		return runChild(ctx)
	}
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.dir, err = os.MkdirTemp(o.dir, "cityproof-bench-"); err != nil {
		return err
	}
	began := time.Now()
	r, err := measure(ctx, o)
	if err = errors.Join(err, os.RemoveAll(o.dir)); err != nil {
		return err
	}
	r.took = time.Since(began)
	text := r.markdown()
	fmt.Print(text)
	if o.out == "" {
		return nil
	}
	return os.WriteFile(o.out, []byte(text), 0o644)
}

func parseOptions(args []string) (options, error) {
	o := options{over: 10}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	subjects := f.String("subjects", strings.Join(allSubjects, ","), "what to measure, separated by commas")
	f.IntVar(&o.leaves, "leaves", 1_000_000, "size of the large log")
	f.IntVar(&o.rounds, "rounds", 3, "how often each figure is measured; the table has the median")
	f.DurationVar(&o.window, "window", 2*time.Second, "how long each rate is measured")
	f.IntVar(&o.signed, "signed", 30_000, "declarations to sign beforehand for the node's windows")
	f.IntVar(&o.over, "over", o.over, "offer the node this many times its queue's capacity at once; 0 leaves that out")
	f.StringVar(&o.dir, "dir", "", "folder for the data, on the disk to be measured (default: the temporary folder)")
	f.StringVar(&o.out, "out", "", "also write the table to this `file`")
	f.StringVar(&o.profile, "profile", "", "keep CPU profiles of the node in this existing `folder`, one for each load of the last round")
	quick := f.Bool("quick", false, "a run of under a minute, to see that everything works: its figures mean little")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		o.leaves, o.rounds, o.window, o.signed, o.over = 20_000, 1, 300*time.Millisecond, 1_500, 2
	}
	o.subjects = strings.Split(*subjects, ",")
	for _, s := range o.subjects {
		if !slices.Contains(allSubjects, s) {
			return o, fmt.Errorf("no subject %q: there are %s", s, strings.Join(allSubjects, ", "))
		}
	}
	if o.rounds < 1 || o.leaves < 1024 || o.window <= 0 || o.signed < 640 || o.over < 0 {
		return o, errors.New("want rounds >= 1, leaves >= 1024, window > 0, signed >= 640, over >= 0")
	}
	return o, nil
}
