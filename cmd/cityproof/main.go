package main

import (
	"context"
	"crypto/rand"
	"os"
	"os/signal"
	"syscall"

	"github.com/cityproof/cityproof/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Process(rand.Reader).Main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
