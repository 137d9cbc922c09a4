// Quickstart requests the weight of a layer with 784 inputs and 256 ReLU units.
package main

import (
	"context"
	"fmt"
	"log"

	"weight-init/weightinit"
)

func main() {
	client := weightinit.NewClient()
	weights, err := client.Init(context.Background(), weightinit.Request{
		Shape: []int{256, 784}, Activation: "relu", Seed: weightinit.Seed(7),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(weights.Shape, weights.DType, weights.Float32()[:3])
	fmt.Println(weights.Metadata.Scheme, *weights.Metadata.StdDev)
	fmt.Println(weights.Metadata.Recommended.Reason)
}
