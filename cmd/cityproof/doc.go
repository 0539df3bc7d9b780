// Command cityproof publishes a city's declarations and checks anybody's: receipts
// offline, whole logs from their public files. Package internal/cli has its verbs.
package main
