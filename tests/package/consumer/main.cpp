// Adds a model of its own to Salus without touching its tree, and scores one image with it.
// usage: consumer IMAGE

#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>

#include <cstdio>
#include <memory>

#include "engine/core/model.h"
#include "engine/data/transform.h"
#include "engine/infer/session.h"
#include "engine/io/image.h"

/// Logit = weight * mean brightness: the smallest network there is.
class Brightness : public salus::Model {
 public:
  Brightness() : weight_(register_parameter("weight", at::ones({1, 1}))) {}

  at::Tensor embed(const salus::Batch& batch) override {
    return batch.inputs.at("image").mean({2, 3});  // [N, 1]
  }
  at::Tensor classify(const at::Tensor& features) override { return features.matmul(weight_); }

 private:
  at::Tensor weight_;
};

salus::ModelEntry brightness() {
  return {"brightness", "mean brightness as the only feature", {}, [](const salus::ModelSpec&) {
            return std::make_shared<Brightness>();
          }};
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  salus::Registry registry;
  registry.add(brightness());  // from here on "brightness" is a name like "resnet18"

  salus::infer::Bundle bundle;
  bundle.name = "brightness";
  bundle.task = {salus::TaskKind::kBinary, {"bright"}};
  bundle.model.name = "brightness";
  bundle.transform_toml = "size = [32, 32]\nwindow = \"full\"\n";
  bundle.weights["weight"] = at::ones({1, 1});
  const salus::infer::Session session(bundle, registry, "cpu");

  const auto image = salus::io::read_image(argv[1]);
  const auto prediction = session.predict({image}, {argv[1]}).at(0);
  std::printf("%lld x %lld, mean brightness %.6f, probability %.6f\n",
              static_cast<long long>(image.pixels.rows),
              static_cast<long long>(image.pixels.columns), prediction.logits.at(0),
              prediction.probabilities.at(0));
  return 0;
}
