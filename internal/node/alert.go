package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/smtp"
	"os/exec"
	"strings"
	"time"

	"github.com/cityproof/cityproof/internal/config"
)

// alertTimeout bounds each way of waking somebody.
const alertTimeout = 30 * time.Second

// alerts wakes the operator in every way that is configured. None waits for another, and one that fails is logged: the
// node's own log has the alarm anyway.
func alerts(cfg config.Alerts, logger *slog.Logger) func(subject, text string) {
	ways := map[string]func(ctx context.Context, subject, text string) error{}
	if cfg.Webhook != "" {
		ways["webhook"] = func(ctx context.Context, subject, text string) error {
			return callWebhook(ctx, cfg.Webhook, subject, text)
		}
	}
	if len(cfg.Command) > 0 {
		ways["command"] = func(ctx context.Context, subject, text string) error {
			return runCommand(ctx, cfg.Command, subject, text)
		}
	}
	if cfg.Mail.Server != "" {
		ways["mail"] = func(_ context.Context, subject, text string) error { return sendMail(cfg.Mail, subject, text) }
	}
	return func(subject, text string) {
		for name, way := range ways {
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), alertTimeout)
				defer cancel()
				if err := way(ctx, subject, text); err != nil {
					logger.Error("the alert did not get through", slog.String("way", name), slog.Any("err", err))
				}
			}()
		}
	}
}

// callWebhook posts {"subject", "text"} as JSON.
func callWebhook(ctx context.Context, url, subject, text string) error {
	body, err := json.Marshal(map[string]string{"subject": subject, "text": text})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}

// runCommand starts the operator's own program with the subject as its last argument and the text on its input.
func runCommand(ctx context.Context, command []string, subject, text string) error {
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], subject)...) //nolint:gosec // the operator's own
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %.200s", err, out)
	}
	return nil
}

// sendMail hands a mail to a server, usually the machine's own.
func sendMail(cfg config.Mail, subject, text string) error {
	host, _, err := net.SplitHostPort(cfg.Server)
	if err != nil {
		return err
	}
	if len(cfg.To) == 0 {
		return errors.New("nobody to send it to")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s",
		cfg.From, strings.Join(cfg.To, ", "), mime.QEncoding.Encode("utf-8", subject), time.Now().Format(time.RFC1123Z),
		strings.ReplaceAll(text, "\n", "\r\n"))
	if host == "" {
		return errors.New("no server")
	}
	return smtp.SendMail(cfg.Server, nil, cfg.From, cfg.To, []byte(b.String()))
}
