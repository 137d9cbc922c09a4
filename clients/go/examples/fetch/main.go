// Fetch is a benchmark: for each line on stdin, it fetches 64 MiB of float32 and prints the elapsed seconds.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"weight-init/weightinit"
)

func main() {
	client := weightinit.NewClient()
	fetch(client) // connect before the first measurement
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		start := time.Now()
		fetch(client)
		fmt.Println(time.Since(start).Seconds())
	}
}

func fetch(client *weightinit.Client) {
	_, err := client.Init(context.Background(), weightinit.Request{
		Shape: []int{4096, 4096}, Scheme: "normal", Seed: weightinit.Seed(7),
	})
	if err != nil {
		log.Fatal(err)
	}
}
