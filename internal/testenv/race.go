//go:build race

package testenv

// raceDetector says whether the test is built with the race detector.
const raceDetector = true
